// Bench measures what the product promises, on this machine, and writes the
// figures as JSON and as a table. It uses the program as a user does: it builds
// labs, installs the shipped modules, makes faults and looks from the client's
// side; what others do is measured in the same run where it can be.
//
//	go run ./core/lab/bench -json docs/benchmarks.json -table docs/benchmarks.md
//
// Each group of figures is measured in the file of its name; rig.go is the lab that they
// share, client.go the clients, table.go the page.
package main
