package flow

import (
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// Rows come in order and round again, whatever the size of the batches, and
// from Next on when a run is resumed.
func TestDataRows(t *testing.T) {
	x := randn(1, 7, 3)
	for _, batch := range []int{1, 3, 7, 10} {
		d := &DataRows{X: x}
		for at := 0; at < 40; at += batch {
			y := mat.NewDense(batch, 3, nil)
			if d.Next != at%7 {
				t.Fatalf("after %d rows, row %d comes next", at, d.Next)
			}
			d = &DataRows{X: x, Next: d.Next}
			if err := d.Sample(y); err != nil {
				t.Fatal(err)
			}
			for r := range batch {
				wantSame(t, "row", y.RawRowView(r), x.RawRowView((at+r)%7))
			}
		}
	}
	for name, c := range map[string]struct {
		d  *DataRows
		is error
	}{
		"nil":           {&DataRows{}, ErrShape},
		"empty":         {&DataRows{X: &mat.Dense{}}, ErrShape},
		"columns":       {&DataRows{X: randn(1, 7, 4)}, ErrShape},
		"negative next": {&DataRows{X: x, Next: -1}, ErrSettings},
		"next beyond":   {&DataRows{X: x, Next: 7}, ErrSettings},
	} {
		wantError(t, name, c.d.Sample(mat.NewDense(2, 3, nil)), c.is, "flow: DataRows: ")
	}
}

// A model learns from the rows of a matrix.
func TestTrainOnRows(t *testing.T) {
	m := model(t, newShift(3))
	tr, err := NewTrainer(m, gaussian(3, 1), &Settings{Batch: 4,
		Data: &DataSettings{Source: &DataRows{X: randn(1, 6, 3)}}, Src: rand.NewPCG(1, 1)})
	if err == nil {
		err = tr.Run(t.Context(), 4)
	}
	if err != nil || tr.s.Data.Source.(*DataRows).Next != 4 {
		t.Errorf("row %d comes next, error %v", tr.s.Data.Source.(*DataRows).Next, err)
	}
}
