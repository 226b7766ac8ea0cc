module cosign2.local

go 1.25.0

require github.com/sigstore/cosign/v2 v2.6.5
