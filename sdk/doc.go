// Package sdk is for authors of plugins: checkers, packet filters and
// application controllers. A plugin is a program that implements one or more
// of the interfaces [Checker], [Filter] and [Application] and calls [Serve]; the
// host runs it as a process of its own and speaks gRPC to it (see proto/), so
// a plugin may be written in any language.
//
// Each kind has two twins here that speak the protocol: one turns an
// implementation into a gRPC service ([Register]), the other turns a
// connection back into the same interface ([Client]). Package sdktest has the
// tests that every plugin must pass.
//
// The package imports nothing else of this project.
package sdk
