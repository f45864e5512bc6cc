package pebble_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/store/pebble"
	"github.com/bulkhead-dev/bulkhead/internal/store/storetest"
)

const killRounds = 25

// TestKill_losesNothingAcknowledged starts itself as a child that writes and
// prints each acknowledgement, kills the child at a random moment, reopens,
// and compares, round after round on the same folder.
func TestKill_losesNothingAcknowledged(t *testing.T) {
	if dir := os.Getenv("BULKHEAD_TEST_VICTIM"); dir != "" {
		victim(dir)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	dir, known, acks := t.TempDir(), newAcks(), 0
	for round := range killRounds {
		acks += killOnce(t, dir, time.Duration(rng.IntN(60_000))*time.Microsecond, known)
		s, err := pebble.Open(dir, small)
		if err != nil {
			t.Fatalf("round %d: open: %v", round, err)
		}
		for job, acked := range known.jobs {
			checkVictim(t, s, job, acked)
		}
		known = found(t, s, known)
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if t.Failed() {
			t.Fatalf("failed in round %d", round)
		}
	}
	t.Logf("%d kills, %d acknowledgements", killRounds, acks)
	if acks < killRounds {
		t.Errorf("only %d acknowledgements: the child was killed too early to prove anything", acks)
	}
}

// victim writes until it is killed.
func victim(dir string) {
	s, err := pebble.Open(dir, small)
	if err != nil {
		fmt.Println("error", err, 0)
		os.Exit(1)
	}
	var mu sync.Mutex // one line at a time
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			job := event.JobID(fmt.Sprint("victim-", w))
			snap, _ := s.Load(context.Background(), job) // a new job is at version 0
			for v := snap.Version; ; v += 2 {
				if _, err := storetest.Apply(s, crashStep(job, v)); err != nil {
					fmt.Println("error", err, 0)
					os.Exit(1)
				}
				mu.Lock()
				fmt.Printf("ack %s %d\n", job, v+2)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

// killOnce runs a victim until some time after its first acknowledgement, and
// puts what it acknowledged into known.
func killOnce(t *testing.T, dir string, after time.Duration, known *acks) (acks int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "BULKHEAD_TEST_VICTIM="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }() // it was killed
	timer := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	for lines := bufio.NewReader(out); ; acks++ {
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			return acks
		}
		var word, job string
		var v event.Seq
		if _, err := fmt.Sscan(line, &word, &job, &v); err != nil || word != "ack" {
			t.Fatalf("the child says %q", line)
		}
		known.ack(event.JobID(job), v)
		if acks == 0 {
			time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		}
	}
}

// checkVictim checks that a job is whole and not behind its acknowledgement.
func checkVictim(t *testing.T, s *pebble.Store, job event.JobID, acked event.Seq) {
	t.Helper()
	snap, err := s.Load(t.Context(), job)
	if err != nil || snap.Version < acked {
		t.Errorf("%s was acknowledged at %d and is at %d: %v", job, acked, snap.Version, err)
		return
	}
	if err := wholeJob(t, s, snap.Summary); err != nil {
		t.Errorf("%s: %v", job, err)
	}
}

// found is where the jobs are now: from here they may only move on.
func found(t *testing.T, s *pebble.Store, known *acks) *acks {
	t.Helper()
	now := newAcks()
	for job := range maps.Keys(known.jobs) {
		snap, err := s.Load(t.Context(), job)
		if err != nil {
			t.Error(err)
		}
		now.jobs[job] = snap.Version
	}
	return now
}
