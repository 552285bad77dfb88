// Package sdktest has the tests that every plugin must pass, ours and
// others'. They run in the test's process, over a real gRPC connection in
// memory, so that what is tested is what the host will see:
//
//	func TestConformance(t *testing.T) {
//		sdktest.Run(t, New(), sdktest.Options{Settings: []byte(`{"port": 80}`)})
//	}
package sdktest
