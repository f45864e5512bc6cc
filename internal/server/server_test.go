package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"golang.org/x/sync/errgroup"

	apiv1 "github.com/bulkhead-dev/bulkhead/api/v1"
	"github.com/bulkhead-dev/bulkhead/api/v1/apiv1connect"
	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/server/wire"
	"github.com/bulkhead-dev/bulkhead/internal/service"
	"github.com/bulkhead-dev/bulkhead/internal/store"
	"github.com/bulkhead-dev/bulkhead/internal/store/mem"
)

// room is a server on a socket, over an empty store.
type room struct {
	store *store.Notifier
	http  *http.Client
	api   apiv1connect.BulkheadClient
	stop  func() error // ends the server
}

func newRoom(t *testing.T) *room {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	r := &room{store: store.Notify(mem.Open())}
	jobs := service.NewJobs(service.Options{Store: r.store, State: "/state", Version: "v"})
	ctx, cancel := context.WithCancel(t.Context())
	g := new(errgroup.Group)
	g.Go(func() error { return New(jobs).Serve(ctx, NewListener(l)) })
	r.stop = func() error { cancel(); return g.Wait() }
	t.Cleanup(func() { _ = r.stop() })

	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	r.http = &http.Client{Transport: &http.Transport{DialContext: dial}}
	r.api = apiv1connect.NewBulkheadClient(r.http, "http://bulkhead")
	return r
}

// begin puts a job with one event into the store.
func (r *room) begin(t *testing.T) {
	t.Helper()
	ev := event.Event{V: event.Version, Job: "a", Seq: 1, Kind: event.JobSubmitted}
	_, errs := r.store.Apply(t.Context(), []event.Transition{{
		Job: "a", Epoch: 1, Command: event.CommandID{1}, Events: []event.Event{ev}, State: []byte("{}"),
		Summary: event.Summary{Job: "a", Status: event.JobStateRunning, Version: 1, Epoch: 1},
	}})
	if errs[0] != nil {
		t.Fatal(errs[0])
	}
}

func TestServer_answersWithTheOneFormOfJSON(t *testing.T) {
	r := newRoom(t)
	resp, err := r.http.Post("http://bulkhead"+apiv1connect.BulkheadListJobsProcedure, "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"jobs":[],"next":"","quarantined":[]}`; string(got) != want {
		t.Errorf("body = %s, want %s", got, want)
	}
}

func TestServer_saysWhoItIs(t *testing.T) {
	r := newRoom(t)
	info, err := r.api.GetInfo(t.Context(), connect.NewRequest(&apiv1.GetInfoRequest{}))
	if err != nil {
		t.Fatal(err)
	}
	if m := info.Msg; m.GetVersion() != "v" || m.GetState() != "/state" || int(m.GetPid()) != os.Getpid() || m.GetDriver() != "mem" {
		t.Errorf("info = %v", m)
	}
}

func TestServer_speaksGRPC(t *testing.T) {
	r := newRoom(t)
	r.begin(t)
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := r.http.Transport.(*http.Transport).Clone()
	transport.Protocols = protocols
	api := apiv1connect.NewBulkheadClient(&http.Client{Transport: transport}, "http://bulkhead", connect.WithGRPC())

	list, err := api.ListJobs(t.Context(), connect.NewRequest(&apiv1.ListJobsRequest{}))
	if err != nil || len(list.Msg.GetJobs()) != 1 {
		t.Errorf("ListJobs = %v, %v", list, err)
	}
	_, err = api.ListJobs(t.Context(), connect.NewRequest(&apiv1.ListJobsRequest{Max: -1}))
	if got := fault.KindOf(wire.FromConnect(err)); got != fault.Invalid {
		t.Errorf("%v is %s, want invalid", err, got)
	}
}

func TestServer_answersWithFaults(t *testing.T) {
	r := newRoom(t)
	rows := []struct {
		name string
		call func(context.Context) error
		want fault.Kind
	}{
		{"unknown job", func(ctx context.Context) error {
			s, err := r.api.WatchEvents(ctx, connect.NewRequest(&apiv1.WatchEventsRequest{JobId: "nope"}))
			return errors.Join(err, drain(s))
		}, fault.NotFound},
		{"fraction of a sequence number", func(ctx context.Context) error {
			s, err := r.api.WatchEvents(ctx, connect.NewRequest(&apiv1.WatchEventsRequest{JobId: "a", After: 1.5}))
			return errors.Join(err, drain(s))
		}, fault.Invalid},
		{"unknown status", func(ctx context.Context) error {
			_, err := r.api.ListJobs(ctx, connect.NewRequest(&apiv1.ListJobsRequest{Status: []string{"runing"}}))
			return err
		}, fault.Invalid},
		{"too many jobs", func(ctx context.Context) error {
			_, err := r.api.ListJobs(ctx, connect.NewRequest(&apiv1.ListJobsRequest{Max: 1001}))
			return err
		}, fault.Invalid},
		{"broken policy", func(ctx context.Context) error {
			_, err := r.api.SubmitJob(ctx, connect.NewRequest(&apiv1.SubmitJobRequest{Grants: &apiv1.Grants{PolicyJson: "{"}}))
			return err
		}, fault.Invalid},
		{"panic", func(ctx context.Context) error { // there is no engine in this room
			_, err := r.api.GetJob(ctx, connect.NewRequest(&apiv1.GetJobRequest{JobId: "a"}))
			return err
		}, fault.Internal},
		{"too large", func(ctx context.Context) error {
			_, err := r.api.SubmitJob(ctx, connect.NewRequest(&apiv1.SubmitJobRequest{Folder: strings.Repeat("x", maxRequest+1)}))
			return err
		}, fault.Exhausted},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			err := wire.FromConnect(unjoin(row.call(t.Context())))
			if got := fault.KindOf(err); got != row.want {
				t.Errorf("%v is %s, want %s", err, got, row.want)
			}
		})
	}
}

// unjoin is the first error of a join.
func unjoin(err error) error {
	if list, ok := err.(interface{ Unwrap() []error }); ok {
		return list.Unwrap()[0]
	}
	return err
}

func drain(s *connect.ServerStreamForClient[apiv1.Event]) error {
	if s == nil {
		return nil
	}
	for s.Receive() {
	}
	return s.Err()
}

func TestServer_cutsFollowersOffWhenItLeaves(t *testing.T) {
	r := newRoom(t)
	r.begin(t)
	s, err := r.api.WatchEvents(t.Context(), connect.NewRequest(&apiv1.WatchEventsRequest{JobId: "a", Follow: true}))
	if err != nil {
		t.Fatal(err)
	}
	if !s.Receive() || s.Msg().GetKind() != "job.submitted" {
		t.Fatalf("no event: %v", s.Err())
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	err = wire.FromConnect(drain(s))
	if fault.KindOf(err) != fault.Unavailable || fault.HintOf(err) == "" {
		t.Errorf("follower got %v, want unavailable with a hint", err)
	}
}

func TestServer_refusesOverlongHeaders(t *testing.T) {
	r := newRoom(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://bulkhead"+apiv1connect.BulkheadListJobsProcedure, bytes.NewReader([]byte("{}")))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Long", strings.Repeat("x", 2*maxHeader))
	resp, err := r.http.Do(req)
	if err != nil {
		return // cut off
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status = %d, want 431", resp.StatusCode)
	}
}

func TestListener_givesSlotsBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	u, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l := NewListener(u)
	defer l.Close()
	for range 3 * maxConnections {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		served, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_ = served.Close()
		_ = served.Close() // twice is harmless
		_ = c.Close()
	}
}

func TestCheckPeer_knowsWhoWeAre(t *testing.T) {
	ours, theirs := socketPair(t)
	if err := checkPeer(ours); err != nil {
		t.Errorf("checkPeer of ourselves = %v", err)
	}
	cred, err := peer(theirs)
	if err != nil {
		t.Fatal(err)
	}
	if int(cred.Pid) != os.Getpid() || int(cred.Uid) != os.Geteuid() {
		t.Errorf("peer = %+v", cred)
	}
}

// socketPair is both ends of a connection in this process.
func socketPair(t *testing.T) (*net.UnixConn, *net.UnixConn) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_ = l.SetDeadline(time.Now().Add(10 * time.Second))
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(); _ = s.Close() })
	return s, c
}
