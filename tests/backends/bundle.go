// Pushes a bundle as Porter does, by cnab-to-oci: the reference, the file `bundle.json`, and the digest and the size of
// the manifest of its invocation image, which is in the same repository already.
package main

import (
	"context"
	"log"
	"os"
	"strconv"

	"github.com/cnabio/cnab-go/bundle"
	"github.com/cnabio/cnab-to-oci/relocation"
	"github.com/cnabio/cnab-to-oci/remotes"
	"github.com/distribution/reference"
	"github.com/docker/cli/cli/config/configfile"
)

func main() {
	ref, err := reference.ParseNormalizedNamed(os.Args[1])
	check(err)
	text, err := os.ReadFile(os.Args[2])
	check(err)
	bun, err := bundle.Unmarshal(text)
	check(err)
	size, err := strconv.ParseUint(os.Args[4], 10, 64)
	check(err)
	image := &bun.InvocationImages[0]
	image.Size = size
	image.MediaType = "application/vnd.oci.image.manifest.v1+json"
	relocated := relocation.ImageRelocationMap{image.Image: ref.Name() + "@" + os.Args[3]}
	resolver := remotes.CreateResolver(configfile.New(""), reference.Domain(ref))
	_, err = remotes.Push(context.Background(), bun, relocated, ref, resolver, true)
	check(err)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
