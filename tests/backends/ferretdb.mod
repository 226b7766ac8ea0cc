module coffer.test/ferretdb

go 1.24.0

require github.com/FerretDB/FerretDB v1.24.2
