package grant

import (
	"maps"
	"os"
	"sync"

	"github.com/bulkhead-dev/bulkhead/event"
)

// Secrets keeps the values of passed variables in memory, for as long as this
// process runs a job; they are never stored. The zero Secrets is ready to use.
// It is safe for concurrent use.
type Secrets struct {
	mu   sync.Mutex // guards below
	jobs map[event.JobID]map[string]string
}

// Keep remembers the values that came with a job's submission.
func (s *Secrets) Keep(job event.JobID, env map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.jobs == nil {
		s.jobs = map[event.JobID]map[string]string{}
	}
	s.jobs[job] = maps.Clone(env)
}

// Forget drops the values of a job that has ended.
func (s *Secrets) Forget(job event.JobID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.jobs, job)
}

// Value is the value of a variable for a job. A job that was submitted to an
// earlier process gets it from the environment of the one that resumed it.
func (s *Secrets) Value(job event.JobID, name string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if env, ok := s.jobs[job]; ok {
		v, ok := env[name]
		return v, ok
	}
	return os.LookupEnv(name)
}
