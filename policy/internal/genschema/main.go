// Command genschema writes the JSON Schema of policies to a file.
package main

import (
	"log"
	"os"

	"github.com/bulkhead-dev/bulkhead/policy"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: genschema FILE")
	}
	if err := os.WriteFile(os.Args[1], policy.Schema(), 0o644); err != nil {
		log.Fatalf("genschema: %v", err)
	}
}
