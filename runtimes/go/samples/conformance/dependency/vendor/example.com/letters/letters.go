// Package letters is a dependency, vendored as `go mod vendor` does it.
package letters

// Name is what only this package can know.
const Name = "Kožušček"
