# Scope prod/acme/_. Written by gtc-deployer; `gtc-deployer vault apply` undoes edits.
path "secret/data/greentic/prod/acme/_/*" {
  capabilities = ["read"]
}
path "transit/decrypt/greentic" {
  capabilities = ["update"]
}

# Scope prod/acme/sales. Written by gtc-deployer; `gtc-deployer vault apply` undoes edits.
path "secret/data/greentic/prod/acme/sales/*" {
  capabilities = ["read"]
}
path "secret/data/greentic/prod/acme/_/*" {
  capabilities = ["read"]
}
path "transit/decrypt/greentic" {
  capabilities = ["update"]
}

# Scope prod/acme/support. Written by gtc-deployer; `gtc-deployer vault apply` undoes edits.
path "secret/data/greentic/prod/acme/support/*" {
  capabilities = ["read"]
}
path "secret/data/greentic/prod/acme/_/*" {
  capabilities = ["read"]
}
path "transit/decrypt/greentic" {
  capabilities = ["update"]
}
path "auth/token/renew-self" {
  capabilities = ["update"]
}
path "auth/token/revoke-self" {
  capabilities = ["update"]
}
path "sys/leases/renew" {
  capabilities = ["update"]
}

