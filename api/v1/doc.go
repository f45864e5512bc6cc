// Package apiv1 is the API: the messages that the socket, the CLI's --json
// and other clients exchange, generated from bulkhead.proto.
package apiv1

//go:generate go run github.com/bulkhead-dev/bulkhead/internal/tools/genproto -root ../.. api/v1/bulkhead.proto
