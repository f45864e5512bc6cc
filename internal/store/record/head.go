package record

import (
	"encoding/binary"
	"slices"

	"github.com/bulkhead-dev/bulkhead/event"
)

// Head is the folded state of a job and what the next commit is compared with.
type Head struct {
	Version  event.Seq
	Epoch    event.Epoch
	Command  event.CommandID // of the transition that wrote it
	Commands uint64          // how many transitions there were; the last one's slot is (Commands-1) % slots
	Summary  event.Summary   // Job, Version and Epoch come from the key and the head
	State    []byte
}

// AppendHead appends the record of a head that will be kept under key.
func AppendHead(dst, key []byte, h *Head) []byte {
	start := len(dst)
	dst = begin(dst)
	dst = binary.AppendUvarint(dst, uint64(h.Version))
	dst = binary.AppendUvarint(dst, uint64(h.Epoch))
	dst = append(dst, h.Command[:]...)
	dst = binary.AppendUvarint(dst, h.Commands)
	dst = appendBytes(dst, h.Summary.Name)
	dst = appendBytes(dst, h.Summary.Status)
	dst = appendBytes(dst, h.Summary.Reason)
	dst = appendTime(dst, h.Summary.Submitted)
	dst = appendTime(dst, h.Summary.Updated)
	dst = appendBytes(dst, h.State)
	return seal(dst, start, key)
}

// DecodeHead reads the record of a head. The result shares no memory with
// rec. The error is fault.Corrupt.
func DecodeHead(key, rec []byte, job event.JobID) (Head, error) {
	r, err := open(key, rec)
	if err != nil {
		return Head{}, err
	}

	var h Head
	h.Version = event.Seq(r.uvarint())
	h.Epoch = event.Epoch(r.uvarint())
	copy(h.Command[:], r.fixed(len(h.Command)))
	h.Commands = r.uvarint()
	h.Summary.Job, h.Summary.Version, h.Summary.Epoch = job, h.Version, h.Epoch
	h.Summary.Name = r.string()
	h.Summary.Status = event.JobStatus(r.string())
	h.Summary.Reason = r.string()
	h.Summary.Submitted = r.time()
	h.Summary.Updated = r.time()
	if state := r.bytes(); len(state) > 0 {
		h.State = slices.Clone(state)
	}
	return h, r.done(key)
}

// Command is a remembered command id with its answer.
type Command struct {
	ID      event.CommandID
	Count   uint64 // the how-manieth transition of the job it was, from 1
	Version event.Seq
}

// AppendCommand appends the record of a command that will be kept under key.
func AppendCommand(dst, key []byte, c *Command) []byte {
	start := len(dst)
	dst = begin(dst)
	dst = append(dst, c.ID[:]...)
	dst = binary.AppendUvarint(dst, c.Count)
	dst = binary.AppendUvarint(dst, uint64(c.Version))
	return seal(dst, start, key)
}

// DecodeCommand reads the record of a command. The error is fault.Corrupt.
func DecodeCommand(key, rec []byte) (Command, error) {
	r, err := open(key, rec)
	if err != nil {
		return Command{}, err
	}
	var c Command
	copy(c.ID[:], r.fixed(len(c.ID)))
	c.Count = r.uvarint()
	c.Version = event.Seq(r.uvarint())
	return c, r.done(key)
}
