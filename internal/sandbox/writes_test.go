package sandbox

import (
	"context"
	"testing"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// careless is a layer that knows neither overlays nor protected paths.
type careless struct{ planned int }

func (*careless) Name() policy.Layer                 { return policy.Native }
func (*careless) Probe(context.Context) []Capability { return nil }
func (l *careless) Plan(context.Context, Request) (Plan, error) {
	l.planned++
	return nil, nil
}

// careful knows both.
type careful struct{ careless }

func (*careful) Overlays() bool { return true }
func (*careful) Protects() bool { return true }

func TestPlan_refusesWhatALayerWouldDoWithLessCare(t *testing.T) {
	overlay := Request{Overlays: []Overlay{{Source: "/x"}}}
	protect := Request{Policy: policy.Policy{Filesystem: policy.Filesystem{Protect: []string{"Makefile"}}}}
	best := protect
	best.Policy.BestEffort = true
	for _, tt := range []struct {
		name  string
		req   Request
		layer Layer
		want  fault.Kind
	}{
		{"nothing asked for", Request{}, &careless{}, fault.OK},
		{"an overlay", overlay, &careless{}, fault.Unsupported},
		{"an overlay in a layer that can", overlay, &careful{}, fault.OK},
		{"protected paths", protect, &careless{}, fault.Unsupported},
		{"protected paths, best effort", best, &careless{}, fault.OK},
		{"protected paths in a layer that can", protect, &careful{}, fault.OK},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(tt.layer).Plan(t.Context(), tt.req)
			if got := fault.KindOf(err); got != tt.want {
				t.Errorf("Plan = %v, want %v", err, tt.want)
			}
		})
	}
}
