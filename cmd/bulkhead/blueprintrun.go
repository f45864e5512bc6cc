package main

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"

	apiv1 "github.com/bulkhead-dev/bulkhead/api/v1"
	"github.com/bulkhead-dev/bulkhead/internal/daemon"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/server/wire"
)

// runFlags are the flags of blueprint run.
type runFlags struct {
	folder, inputs, policy string
	set                    []string
	read, write            []string
	passEnv                []string
	memory                 size
	timeout                time.Duration
	trustHost, bestEffort  bool
	detach                 bool
}

// blueprintRun runs a bundle as a job.
func (p program) blueprintRun() *cobra.Command {
	f := new(runFlags)
	cmd := &cobra.Command{
		Use:   "run --folder DIR",
		Short: "Run a bundle as a job, each worker in a sandbox",
		Long: `Run a bundle as a job, each worker in a sandbox. A bundle's policy is a request:
what you do not grant here refuses the run, and the error names the flag that
would grant it.

Every step is durable: after an interrupt, a crash or a power loss the job goes
on with 'bulkhead job resume', and what has finished is not run again. When
another process runs jobs in the same state folder, the job is given to it.`,
		Example: `  bulkhead blueprint run --folder examples/repo-audit --set tree=$HOME/src --read ~/src
  bulkhead blueprint run --folder ./bundle --inputs inputs.json --timeout 5m --memory 1G
  bulkhead blueprint run --folder ./bundle --detach --json | jq -r .job_id`,
		Args: wants(),
		RunE: func(cmd *cobra.Command, _ []string) error { return p.runBlueprint(cmd, f) },
	}
	f.bind(cmd)
	stateFlag(cmd)
	return cmd
}

func (f *runFlags) bind(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.folder, "folder", "", "the bundle's `DIR`, with manifest.json and payloads/")
	flags.StringVar(&f.inputs, "inputs", "", "JSON `FILE` with one object of input values")
	flags.StringArrayVar(&f.set, "set", nil, "one input as `NAME=VALUE`; JSON, or else text; may be repeated")
	flags.StringVar(&f.policy, "policy", "", "policy `FILE`: the most that any worker may have")
	flags.StringArrayVar(&f.read, "read", nil, "`PATH` that workers which ask for it may read; may be repeated")
	flags.StringArrayVar(&f.write, "write", nil, "`PATH` that workers which ask for it may write; may be repeated")
	flags.StringArrayVar(&f.passEnv, "pass-env", nil, "`NAME` of a variable that workers which ask for it get from your environment")
	flags.Var(&f.memory, "memory", "`SIZE` of the most memory of one attempt, such as 1G")
	flags.DurationVar(&f.timeout, "timeout", 0, "the most `TIME` of one attempt, such as 5m")
	flags.BoolVar(&f.trustHost, "trust-host", false, "let nodes that ask for it run on the host, without a sandbox")
	flags.BoolVar(&f.bestEffort, "best-effort", false, "start workers even if a wall cannot be put up; the report says which")
	flags.BoolVar(&f.detach, "detach", false, "let it run in the background, and return at once")

	_ = cmd.RegisterFlagCompletionFunc("folder", completeFolder)
	_ = cmd.MarkFlagFilename("inputs", "json")
	_ = cmd.MarkFlagFilename("policy", "yaml", "yml", "json")
	_ = cmd.RegisterFlagCompletionFunc("pass-env", completeEnv)
}

// runBlueprint submits the job and follows it.
func (p program) runBlueprint(cmd *cobra.Command, f *runFlags) error {
	req, err := f.request()
	if err != nil {
		return err
	}

	s, job, err := p.submit(cmd, f, req)
	if err != nil {
		return err
	}
	for _, w := range job.GetWarnings() {
		p.complain("warning: %s", oneLine(w))
	}
	if f.detach {
		return finish(s, nil, func() error { return p.tellSubmitted(cmd, job) })
	}
	if !wantsJSON(cmd) {
		p.complain("job %s", job.GetJobId())
	}
	return p.follow(cmd, s, job.GetJobId())
}

// submit gives the job to the holder. A holder that is leaving takes no more
// jobs: then this process tries to become it.
func (p program) submit(cmd *cobra.Command, f *runFlags, req *apiv1.SubmitJobRequest) (*daemon.Session, *apiv1.SubmitJobResponse, error) {
	for tries := 0; ; tries++ {
		s, err := p.attachToRun(cmd, f.detach)
		if err != nil {
			return nil, nil, err
		}
		answer, err := s.SubmitJob(cmd.Context(), connect.NewRequest(req))
		if err == nil {
			return s, answer.Msg, nil
		}
		err = wire.FromConnect(err)
		err = errors.Join(err, s.Close())
		if s.Holder != nil || fault.KindOf(err) != fault.Unavailable || tries == 2 {
			return nil, nil, err
		}
	}
}

// attachToRun attaches to a state folder in order to run a job: in this
// process, or with detach in one that stays in the background.
func (p program) attachToRun(cmd *cobra.Command, detach bool) (*daemon.Session, error) {
	if !detach {
		return p.attach(cmd, daemon.Serve)
	}
	named, _ := cmd.Flags().GetString("state")
	return p.background(cmd.Context(), named)
}

func (p program) tellSubmitted(cmd *cobra.Command, job *apiv1.SubmitJobResponse) error {
	if wantsJSON(cmd) {
		return p.json(job)
	}
	return p.say("%s", job.GetJobId())
}

// request is the job as the flags describe it.
func (f *runFlags) request() (*apiv1.SubmitJobRequest, error) {
	if f.folder == "" {
		return nil, fault.New(fault.Invalid, "which bundle? --folder DIR is missing").
			WithHint("for example: bulkhead blueprint run --folder ./bundle")
	}
	folder, err := filepath.Abs(f.folder)
	if err != nil {
		return nil, fault.Newf(fault.Unavailable, "current folder: %w", err)
	}
	inputs, err := f.values()
	if err != nil {
		return nil, err
	}
	grants, err := f.grants()
	if err != nil {
		return nil, err
	}
	return &apiv1.SubmitJobRequest{Folder: folder, Inputs: inputs, Grants: grants}, nil
}

// grants are what the flags allow the bundle.
func (f *runFlags) grants() (*apiv1.Grants, error) {
	if f.timeout < 0 {
		return nil, fault.Newf(fault.Invalid, "--timeout %s is negative", f.timeout)
	}
	g := &apiv1.Grants{
		PassEnv:     f.passEnv,
		MemoryBytes: float64(f.memory),
		TimeoutMs:   wire.Millis(f.timeout),
		TrustHost:   f.trustHost,
		BestEffort:  f.bestEffort,
		Env:         environment(f.passEnv),
	}
	var err error
	if g.Read, err = addPaths(nil, f.read); err != nil {
		return nil, err
	}
	if g.Write, err = addPaths(nil, f.write); err != nil {
		return nil, err
	}
	if f.policy == "" {
		return g, nil
	}

	ceiling, err := readPolicy(f.policy)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(ceiling)
	if err != nil {
		return nil, fault.Newf(fault.Internal, "write policy: %w", err)
	}
	g.PolicyJson = string(text)
	for name, value := range environment(ceiling.Env.Pass) {
		g.Env[name] = value
	}
	return g, nil
}

// values are the inputs of the file, and above them those of --set.
func (f *runFlags) values() (*structpb.Struct, error) {
	values := &structpb.Struct{Fields: make(map[string]*structpb.Value)}
	if f.inputs != "" {
		data, err := readFile(f.inputs)
		if err != nil {
			return nil, err
		}
		if err := protojson.Unmarshal(data, values); err != nil {
			return nil, fault.Newf(fault.Invalid, "%s: want one JSON object of input values: %s", f.inputs, jsonProblem(data, err))
		}
	}
	for _, pair := range f.set {
		name, text, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, fault.Newf(fault.Invalid, "--set %s: want NAME=VALUE", pair)
		}
		values.Fields[name] = value(text)
	}
	return values, nil
}

// value is the JSON that a text is, or else the text itself.
func value(text string) *structpb.Value {
	v := new(structpb.Value)
	if !json.Valid([]byte(text)) || protojson.Unmarshal([]byte(text), v) != nil {
		return structpb.NewStringValue(strings.ToValidUTF8(text, "\uFFFD"))
	}
	return v
}

// jsonProblem is what is wrong with a JSON text, in the standard library's
// words where it has some: protojson's differ from build to build.
func jsonProblem(data []byte, err error) string {
	var object map[string]json.RawMessage
	if plain := json.Unmarshal(data, &object); plain != nil {
		return plain.Error()
	}
	return err.Error()
}
