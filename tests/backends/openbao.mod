// OpenBao 2.4.0 by its commit: its path has no /v2, so that Go takes no tag of it. The two modules that are
// replaced are asked for in versions that were never published, and only its tests use them.
module openbao.local

go 1.24.6

require github.com/openbao/openbao v0.0.0-20250828202315-f9407a27fbee

replace (
	github.com/openbao/openbao/api/auth/approle/v2 => github.com/openbao/openbao/api/auth/approle/v2 v2.0.1
	github.com/openbao/openbao/api/auth/userpass/v2 => github.com/openbao/openbao/api/auth/userpass/v2 v2.0.1
)
