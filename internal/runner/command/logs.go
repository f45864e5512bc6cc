package command

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
)

// The files of an attempt beside its work folder.
const (
	stdoutLog  = "stdout.log"
	stderrLog  = "stderr.log"
	reportFile = "report.json"
)

// tailSize is how much of the end of stderr is kept for the reason of a failure.
const tailSize = 4 << 10

// logs are the output streams of an attempt: each goes to its file, stdout is
// kept whole, of stderr only the end. The sandbox bounds how much comes.
type logs struct {
	stdout, stderr *log
}

// log is one stream. It is used by one goroutine.
type log struct {
	file *os.File
	keep int // bytes of the end to keep; 0: all
	kept bytes.Buffer
	err  error // the first failure of the file
}

// openLogs makes the log files of an attempt.
func openLogs(dir string) (*logs, error) {
	out, err := os.OpenFile(filepath.Join(dir, stdoutLog), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	errs, err := os.OpenFile(filepath.Join(dir, stderrLog), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, errors.Join(err, out.Close())
	}
	return &logs{stdout: &log{file: out}, stderr: &log{file: errs, keep: tailSize}}, nil
}

// Write keeps and logs a piece of output. It never fails: a full disk must
// not end a worker; close says what is missing.
func (l *log) Write(p []byte) (int, error) {
	l.kept.Write(p)
	if l.keep > 0 && l.kept.Len() > 2*l.keep {
		l.kept.Next(l.kept.Len() - l.keep)
	}
	if l.err == nil {
		_, l.err = l.file.Write(p)
	}
	return len(p), nil
}

// close closes the files and returns what went wrong with them.
func (l *logs) close() error {
	return errors.Join(l.stdout.err, l.stderr.err, l.stdout.file.Close(), l.stderr.file.Close())
}
