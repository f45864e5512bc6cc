package engine

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bulkhead-dev/bulkhead/bundle"
	"github.com/bulkhead-dev/bulkhead/event"
)

// pair is a graph of a quick node and a slow one, both entrypoints.
func pair() *bundle.Graph {
	g := chain("quick", "slow")
	g.Name = "pair"
	g.Edges, g.Entrypoints = nil, []event.NodeID{"quick", "slow"}
	return g
}

// counter is a runner of pair that counts what runs and what was started.
type counter struct{ running, started atomic.Int32 }

func (c *counter) Run(ctx context.Context, w Work) event.Outcome {
	c.started.Add(1)
	c.running.Add(1)
	defer c.running.Add(-1)
	took := time.Second
	if w.Node.ID == "slow" {
		took = time.Hour
	}
	select {
	case <-time.After(took):
		return says(`1`)
	case <-ctx.Done():
		return ended(ctx)
	}
}

func TestFence_theEarlierOwnerLetsGoOfEverything(t *testing.T) {
	bubble(t, func(t *testing.T) {
		mem := newMemory()
		first := &counter{}
		old := start(t, mem, first)
		old.submit("j", pair())
		time.Sleep(time.Second / 2)
		young := start(t, mem, &counter{})
		if err := young.Resume(context.Background(), "j"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // the old one has tried to commit by now
		want(t, "running, started", []int32{first.running.Load(), first.started.Load()}, []int32{0, 2})
		want(t, "held by the old one", old.job("j").Held, false)
		want(t, "held by the young one", young.job("j").Held, true)
		want(t, "status", young.wait("j").Status, event.JobStateCompleted)
	})
}

func TestFence_theNewOwnerKnowsItsOwnCommits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		mem := newMemory()
		old := start(t, mem, echo)
		old.submit("j", chain("a", "b"))
		old.stop()
		young := start(t, mem, echo)
		if err := young.Resume(context.Background(), "j"); err != nil {
			t.Fatal(err)
		}
		young.h.after.set(func() error { young.h.after.set(nothing); return errDown })
		want(t, "status", young.wait("j").Status, event.JobStateCompleted)
	})
}

func TestSlots_comeBackWhenALateAttemptIsGone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := runnerFunc(func(ctx context.Context, w Work) event.Outcome {
			switch w.Node.ID {
			case "quick":
				time.Sleep(time.Second)
				o := says(`1`)
				o.CompleteRun = &event.Body{Inline: json.RawMessage(`"done"`)}
				return o
			case "hold":
				time.Sleep(time.Hour)
				return says(`1`)
			}
			<-ctx.Done()
			time.Sleep(time.Minute) // its tree takes its time to go
			return ended(ctx)
		})
		w := start(t, newMemory(), r, func(o *Options) { o.MaxConcurrent = 2 })
		begin := time.Now()
		w.submit("x", pair())
		w.submit("hog", chain("hold"))
		w.submit("y", chain("quick"))
		want(t, "status of y", w.wait("y").Status, event.JobStateCompleted)
		want(t, "y ends", time.Since(begin), 62*time.Second)
		want(t, "status of x", w.wait("x").Status, event.JobStateCompleted)
		want(t, "status of hog", w.wait("hog").Status, event.JobStateCompleted)
	})
}
