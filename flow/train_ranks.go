package flow

import (
	"bytes"
	"fmt"
	"io"
)

// join makes the trainers of all ranks equal to that of rank 0. err is the error with which
// this rank made its trainer.
func (tr *Trainer) join(c Comm, err error) (*Trainer, error) {
	r, bad := newRanks(c)
	if bad != nil {
		return nil, err // which says so
	}
	if own := err; own == nil {
		if err = r.agree(nil); err != nil {
			return nil, fmt.Errorf("flow: NewTrainer: %w", err)
		}
	} else {
		return nil, r.agree(own)
	}
	if tr.ranks.alone() {
		return tr, nil
	}
	var own bytes.Buffer
	if r.rank == 0 {
		err = tr.Save(&own)
	}
	return tr, tr.receive(own.Bytes(), err)
}

// restoreAll is Restore of several ranks.
func (tr *Trainer) restoreAll(r io.Reader) error {
	var all []byte
	var err error
	if tr.ranks.rank == 0 {
		if all, err = io.ReadAll(r); err == nil {
			err = tr.restoreFrom(bytes.NewReader(all))
		}
	}
	return tr.receive(all, err)
}

// receive sets the trainer to the state that rank 0 has saved. err is the error of rank 0 in
// doing so.
func (tr *Trainer) receive(state []byte, err error) error {
	r := &tr.ranks
	if err = r.agree(err); err != nil {
		return fmt.Errorf("flow: state of rank 0: %w", err)
	}
	if state, err = r.broadcast(state); err == nil && r.rank > 0 {
		err = tr.restoreFrom(bytes.NewReader(state))
	}
	if err = r.agree(err); err != nil {
		return fmt.Errorf("flow: trainer of rank %d, which must be that of rank 0: %w", r.rank, err)
	}
	return nil
}
