# In the older Rego: cosign asks for `allow` in `signature`.
package signature

default allow = false

allow {
  input.predicate.buildDefinition.externalParameters.source == "git+https://git.example.com/shop@refs/heads/main"
  input.predicate.runDetails.builder.id == "https://build.example.com/release"
}
