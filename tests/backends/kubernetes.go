// kube-apiserver with the etcd that it keeps everything in, as one program.
//
// Arguments: the folder for everything that it keeps, its own port, a port on which the tests speak to it in the
// clear, and etcd's. Or `sign`, the folder, and the claims of a token that it signs as its own.
package main

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/component-base/cli"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func main() {
	if os.Args[1] == "sign" {
		sign(os.Args[2], os.Args[3])
		return
	}
	folder, port, plain, storage := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	if _, err := os.Stat(folder + "/key"); err != nil {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		check(err)
		block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
		check(os.WriteFile(folder+"/key", pem.EncodeToMemory(block), 0o600))
	}

	config := embed.NewConfig()
	config.Dir = folder + "/etcd"
	config.ListenClientUrls = []url.URL{{Scheme: "http", Host: "127.0.0.1:" + storage}}
	config.AdvertiseClientUrls = config.ListenClientUrls
	// It is the only one, so nobody has to find it.
	config.ListenPeerUrls = []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	config.UnsafeNoFsync = true
	config.LogLevel = "error"
	etcd, err := embed.StartEtcd(config)
	check(err)
	<-etcd.Server.ReadyNotify()

	address := "https://127.0.0.1:" + port
	server := app.NewAPIServerCommand()
	server.SetArgs([]string{
		"--etcd-servers=http://127.0.0.1:" + storage,
		"--bind-address=127.0.0.1",
		"--secure-port=" + port,
		"--cert-dir=" + folder,
		"--service-cluster-ip-range=10.0.0.0/24",
		"--service-account-issuer=" + address,
		"--api-audiences=" + address,
		"--service-account-signing-key-file=" + folder + "/key",
		"--service-account-key-file=" + folder + "/key",
		"--token-auth-file=" + folder + "/tokens.csv",
		"--authorization-mode=RBAC",
		"--disable-admission-plugins=ServiceAccount",
	})
	go serve(address, "127.0.0.1:"+plain)
	os.Exit(cli.Run(server))
}

// Says when it is ready, and passes on what the tests themselves ask.
func serve(address, plain string) {
	to, err := url.Parse(address)
	check(err)
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	client := &http.Client{Transport: proxy.Transport}
	for {
		answer, err := client.Get(address + "/readyz")
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				break
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	go func() { fmt.Println("ready:", address) }()
	check(http.ListenAndServe(plain, proxy))
}

func sign(folder, claims string) {
	text, err := os.ReadFile(folder + "/key")
	check(err)
	block, _ := pem.Decode(text)
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	check(err)
	part := base64.RawURLEncoding.EncodeToString
	token := part([]byte(`{"alg":"RS256"}`)) + "." + part([]byte(claims))
	hash := sha256.Sum256([]byte(token))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, hash[:])
	check(err)
	fmt.Println(token + "." + part(signature))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
