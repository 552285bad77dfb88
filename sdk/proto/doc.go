// Package pluginpb is the protocol between the host and its plugins, generated
// from the .proto files beside it. Authors in Go need package sdk only.
package pluginpb

//go:generate sh -c "protoc -I. --plugin=protoc-gen-go=$(go tool -n protoc-gen-go) --plugin=protoc-gen-go-grpc=$(go tool -n protoc-gen-go-grpc) --go_out=. --go_opt=paths=source_relative --go-grpc_out=. --go-grpc_opt=paths=source_relative plugin.proto checker.proto application.proto filter.proto"
