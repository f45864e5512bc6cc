// Package apiv1 is the API: the messages that the sockets, the CLI's --json
// and other clients exchange, generated from bulkhead.proto and sandbox.proto.
package apiv1

//go:generate go run github.com/bulkhead-dev/bulkhead/internal/tools/genproto -root ../.. api/v1/bulkhead.proto
//go:generate go run github.com/bulkhead-dev/bulkhead/internal/tools/genproto -root ../.. api/v1/sandbox.proto
