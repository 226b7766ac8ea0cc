module bundle.local

go 1.25.0

require github.com/cnabio/cnab-to-oci v0.6.0
