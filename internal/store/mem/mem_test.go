package mem_test

import (
	"testing"

	"github.com/bulkhead-dev/bulkhead/internal/store"
	"github.com/bulkhead-dev/bulkhead/internal/store/mem"
	"github.com/bulkhead-dev/bulkhead/internal/store/storetest"
)

func TestMem_conforms(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Driver { return mem.Open() })
}
