package wire

import (
	"strings"

	apiv1 "github.com/bulkhead-dev/bulkhead/api/v1"
	"github.com/bulkhead-dev/bulkhead/internal/learn"
)

// Learned is what was learned about a command. The output of its last run is
// left out.
func Learned(l learn.Lesson) (*apiv1.Learned, error) {
	var yaml strings.Builder
	if err := l.Print(&yaml); err != nil {
		return nil, err
	}
	last := l.Last
	last.Stdout, last.Stderr = nil, nil
	return &apiv1.Learned{
		Passed: l.Passed, PolicyYaml: clean(yaml.String()), Rounds: int32(l.Rounds), Note: clean(l.Note),
		Grants: each(l.Grants, suggestion), Refused: each(l.Refused, suggestion),
		Last: ExecResult(last),
	}, nil
}

func suggestion(s learn.Suggestion) *apiv1.Suggestion {
	return &apiv1.Suggestion{
		Grant: clean(s.Flag()), Object: clean(s.Path), Verdict: string(s.Verdict), Why: clean(s.Why),
		Seen: each(s.Seen, clean),
	}
}
