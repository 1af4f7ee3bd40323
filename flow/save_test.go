package flow

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/target"
)

// labelled is a bijector of a program, with parameters of any names.
type labelled struct {
	bijector.Bijector
	params []*bijector.Param
}

func (l labelled) Params() []*bijector.Param { return l.params }

// wrapper is a bijector of a program that does not describe itself.
type wrapper struct{ bijector.Bijector }

// uncomparable is a bijector that cannot be a key of a map.
type uncomparable struct {
	bijector.Bijector
	_ []int
}

// oddNames are names that a program may give its parameters.
var oddNames = []string{
	"", "a", "a", "a.2", "a.2.2", "a.3", "0.a", "__metadata__", "sha256", "neuralrg", `"`, `\`, "a/b", "\x00", "\n",
	"<&>", "ü", "\u2028", "\U0001f600", "perm",
	"tiles.0", "adam.m", strings.Repeat("long", 3000), "\ufffd", "\xff", "\xfe", "a\xc3", "\xed\xa0\x80",
}

// odd makes random compositions of bijectors of the library and of a program.
type odd struct {
	seed    uint64
	rnd     *rand.Rand
	src     rand.Source
	sound   bool // names are UTF-8, shapes of a rank that can be read
	refused bool // by NewParam
}

// labelled is a permutation with parameters that it does not use.
func (o *odd) labelled() bijector.Bijector {
	l := labelled{Bijector: must(bijector.NewPermutation(o.rnd.Perm(4)))}
	for range o.rnd.IntN(6) {
		k := o.rnd.IntN(len(oddNames))
		shape := append(slices.Repeat([]int{1}, o.rnd.IntN(10)), 1+o.rnd.IntN(3))
		o.sound = o.sound && utf8.ValidString(oddNames[k]) && len(shape) <= 8
		p, err := bijector.NewParam(oddNames[k], make([]float64, shape[len(shape)-1]), shape...)
		if err != nil {
			o.refused = true
			continue
		}
		l.params = append(l.params, p)
	}
	return &l
}

// block is a bijector of four values.
func (o *odd) block() bijector.Bijector {
	switch o.rnd.IntN(7) {
	case 0:
		return must(bijector.NewPermutation(o.rnd.Perm(4)))
	case 1:
		return must(bijector.NewActNorm(4))
	case 2:
		return must(bijector.NewLinear(4, o.src))
	case 3:
		return must(bijector.NewOrthogonal(4, o.src))
	case 4:
		return must(blocks(4, o.seed, 3)(0))
	case 5:
		return must(bijector.NewTree([]int{4}, blocks(2, o.seed, 2), nil))
	default:
		return o.labelled()
	}
}

// composed is one that is composed so many times.
func (o *odd) composed(depth int) bijector.Bijector {
	if depth == 0 {
		return o.block()
	}
	b := o.composed(depth - 1)
	switch k := o.rnd.IntN(6); {
	case k == 0:
		return bijector.Invert(b)
	case k == 1 || k == 2:
		return wrapper{b}
	case k == 3:
		return uncomparable{Bijector: b}
	case k == 4 && b.Dim() == 4:
		return must(bijector.NewHierarchy(8, must(bijector.Disentangler(b, [][]int{{0, 1, 2, 3}, {4, 5, 6, 7}}))))
	case k == 5 && b.Dim() == 4:
		return must(bijector.NewChain(b, o.block(), b))
	}
	return b
}

// oddModel is the same for the same seed, up to its parameters; nil if NewParam
// refuses a name. sound tells whether it can be saved.
func oddModel(seed uint64, values float64) (m *Model, sound bool) {
	o := &odd{seed: seed, rnd: rand.New(rand.NewPCG(seed, 1)), src: rand.NewPCG(seed, 2), sound: true}
	b := o.composed(1 + o.rnd.IntN(3))
	var prior target.Prior = target.NewNormal(b.Dim())
	if o.rnd.IntN(6) == 0 {
		prior = flatPrior{target.NewNormal(b.Dim())}
	}
	m = must(New(prior, b))
	if o.rnd.IntN(3) == 0 {
		m = m.Float32()
	}
	scramble(m, seed, values)
	if o.refused {
		return nil, o.sound
	}
	return m, o.sound
}

// Whatever Save writes is read back: by Restore into a model that is built in the
// same way, and by Load, unless a program is needed to build it, which the error
// then says. What could not be read back is refused by Save.
func TestSavedIsReadBack(t *testing.T) {
	count := 400
	if testing.Short() {
		count = 60
	}
	loaded, restored, refused := 0, 0, 0
	for seed := range uint64(count) {
		what := fmt.Sprintf("model %d", seed)
		m, sound := oddModel(seed, 0.3)
		if m == nil { // a name was refused before
			refused++
			continue
		}
		var b bytes.Buffer
		if err := m.Save(&b); (err == nil) != sound || err != nil && (!errors.Is(err, ErrCheckpoint) || b.Len() > 0) {
			t.Errorf("%s: names and ranks sound: %v, %d bytes, error %v", what, sound, b.Len(), err)
		}
		tr := must(NewTrainer(m, target.NewNormal(m.Dim()),
			&Settings{Batch: 2, Optimizer: OptimizerSettings{Average: 0.5}, Src: rand.NewPCG(1, 1)}))
		var b2 bytes.Buffer
		if err := tr.Save(&b2); (err == nil) != sound {
			t.Errorf("%s: trainer: %v", what, err)
		}
		if !sound {
			refused++
			continue
		}
		data := b.Bytes()
		again, _ := oddModel(seed, 2)
		if err := again.Restore(bytes.NewReader(data)); err != nil || !slices.Equal(params(again), params(m)) {
			t.Errorf("%s: Restore: %v, or other parameters", what, err)
		}
		restored++
		again, _ = oddModel(seed, 2)
		tr = must(NewTrainer(again, target.NewNormal(m.Dim()),
			&Settings{Batch: 2, Optimizer: OptimizerSettings{Average: 0.5}, Src: rand.NewPCG(1, 1)}))
		if err := tr.Restore(&b2); err != nil || !slices.Equal(params(again), params(m)) {
			t.Errorf("%s: trainer's Restore: %v, or other parameters", what, err)
		}
		l, err := Load(bytes.NewReader(data))
		if err != nil {
			wantError(t, what, err, ErrCheckpoint, "use Model.Restore")
			continue
		}
		loaded++
		x, logq := sample(t, m, 3, 1)
		y, logq2 := sample(t, l, 3, 1)
		wantSame(t, what+": samples", y.RawMatrix().Data, x.RawMatrix().Data)
		wantSame(t, what+": ln q", logq2, logq)
	}
	t.Logf("of %d models %d were restored, %d of these loaded, %d refused", count, restored, loaded, refused)
	if loaded < count/10 || restored-loaded < count/10 || refused < count/50 {
		t.Error("too few of a kind")
	}
}

// Names that differ in a suffix that Save gives out do not collide.
func TestSaveNames(t *testing.T) {
	make := func(value float64) *Model {
		l := &labelled{Bijector: must(bijector.NewPermutation([]int{1, 0}))}
		for k, name := range []string{"a.2", "a", "a", "a.3", "a", "a", "a.2"} {
			l.params = append(l.params, must(bijector.NewParam(name, []float64{value * float64(k+1)}, 1)))
		}
		return model(t, l)
	}
	a, b := make(1), make(10)
	if err := b.Restore(bytes.NewReader(save(t, a))); err != nil || !slices.Equal(params(a), params(b)) {
		t.Errorf("Restore: %v, or parameters %v", err, params(b))
	}
}
