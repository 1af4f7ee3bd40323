// Command ising2d trains a neural-network renormalization group flow on the
// two-dimensional Ising model in its continuous dual form, on the bare energy
// alone, and then samples the model without bias by hybrid Monte Carlo, in the
// latent space of the flow and, for comparison, in physical space.
//
//	go run ./examples/ising2d
//	go run ./examples/ising2d -paper
//	go run ./examples/ising2d -recipe best -L 8 -steps 5000 -model flow8
//	go run ./examples/ising2d -recipe best -L 16 -steps 2000 -grow flow8
//
// The second is Fig. 3 of Li and Wang, Phys. Rev. Lett. 121, 260601 (2018):
// the 16×16 lattice, with hybrid Monte Carlo running alongside training too.
//
// It prints the loss beside its exact lower bound −ln Z and ⟨m²⟩ beside its
// exact value, and saves figures. Ctrl-C ends the phase under way (training,
// evaluation, either sampler) and goes on with what there is. With -checkpoint
// FILE it ends the program instead, as a request to terminate does, and the
// same command with -resume takes it up where it was, to the bit; so it does
// after a crash. Without -resume a file that exists is left alone.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"

	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/examples/internal/checkpoint"
	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

// summary is what -json writes; energies are in nats.
type summary struct {
	Loss           float64  `json:"loss"`
	LossErr        float64  `json:"loss_err"`
	Exact          float64  `json:"exact"` // −ln Z
	Gap            float64  `json:"gap"`
	Std            float64  `json:"std"` // of ln(q/π)
	ESS            float64  `json:"ess"`
	LogZ           number   `json:"log_z"` // by reweighting
	LogZErr        number   `json:"log_z_err"`
	Steps          int      `json:"steps"`
	Params         int      `json:"params"`
	SecondsPerStep float64  `json:"seconds_per_step"`
	PeakMB         float64  `json:"peak_mb"`
	Latent         sampling `json:"latent"`
	Physical       sampling `json:"physical"`
}

func main() {
	o, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		err = run(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "ising2d:", err)
		os.Exit(1)
	}
}

func run(o *options) error {
	if o.checkpoint != "" && !o.resume {
		if err := checkpoint.Refuse(o.checkpoint); err != nil {
			return err
		}
	}
	src := rand.NewPCG(o.seed, 2018)
	ising, err := target.NewIsing([]int{o.L, o.L}, o.T)
	if err != nil {
		return err
	}
	model, err := newModel(o, ising, src)
	if err != nil {
		return err
	}
	interrupts := newInterrupts(o.checkpoint != "")
	defer interrupts.stop()
	if err := os.MkdirAll(o.out, 0o777); err != nil {
		return err
	}
	var report *os.File // opened now: a bad path must not cost the run
	if o.json != "" {
		if report, err = os.Create(o.json); err != nil {
			return err
		}
	}
	exact := -ising.LogZ()
	fmt.Printf("Ising model on a %d×%d torus at T = %.6g, %d parameters, exact bound −ln Z = %.6f\n", o.L, o.L, o.T, countParams(model), exact)

	// Sampling and evaluation are in float64.
	model64, err := model.Convert(tensor.Float64)
	if err != nil {
		return err
	}
	samplers, err := newWalkers(model64, ising, o, src)
	if err != nil {
		return err
	}
	k := &keeper{o: o, src: src, model: model, walkers: samplers}
	if err := train(interrupts, k, model, ising); err != nil {
		return err
	}
	if o.model != "" {
		if err := checkpoint.Write(o.model, 1, model.Save); err != nil {
			return err
		}
	}
	history := &k.history
	if err := errors.Join(lossFigure(history, exact, o), errorFigure(history, exact, o)); err != nil {
		return err
	}
	if k.evaluated == nil {
		if err := evaluate(interrupts, k, model64, ising); err != nil {
			return err
		}
	}
	e := k.evaluated
	s := summary{
		Loss: e.Loss, LossErr: e.StdErr, Exact: exact, Gap: e.Loss - exact, Std: math.Sqrt(e.Variance), ESS: e.ESS,
		LogZ: number(e.LogZ), LogZErr: number(e.LogZErr),
		Steps: len(history.Loss), Params: countParams(model), SecondsPerStep: history.Seconds / float64(len(history.Loss)),
	}
	fmt.Printf("loss         %.4f ± %.4f (%d samples)\n", s.Loss, s.LossErr, e.Samples)
	fmt.Printf("exact −ln Z  %.4f\n", s.Exact)
	fmt.Printf("gap          %.4f ± %.4f nats\n", s.Gap, s.LossErr)
	fmt.Printf("ESS          %.3f, standard deviation of ln(q/π) %.3f\n", s.ESS, s.Std)
	fmt.Printf("−ln⟨π/q⟩     %.4f ± %.4f, %+.4f from exact\n", -e.LogZ, e.LogZErr, -e.LogZ-exact)

	m2, known := exactM2(ising, o)
	for i, w := range samplers {
		if err := w.follow(interrupts, k); err != nil {
			return err
		}
		r, drift := w.result()
		fmt.Printf("⟨m²⟩ %-8s %.4f ± %.4f, acceptance %.2f%s\n", w.name, r.M2, r.M2Err, r.Accept, warning(r, drift))
		if math.IsNaN(float64(r.Tau)) {
			fmt.Println("  autocorrelation time of m²: too long for so few sweeps to tell")
		} else {
			fmt.Printf("  autocorrelation time of m²: %.0f ± %.0f leapfrog steps, %.3g s\n", r.Tau, r.TauErr, r.TauSeconds)
		}
		*[]*sampling{&s.Latent, &s.Physical}[i] = r
	}
	if known {
		fmt.Printf("⟨m²⟩ exact    %.4f\n", m2)
	} else {
		m2 = math.NaN()
	}
	if err := m2Figure(samplers, m2, o); err != nil {
		return err
	}
	if err := sheetFigure(model64, o, src); err != nil {
		return err
	}
	s.PeakMB = peakMB()
	fmt.Printf("%.3f s per training step, peak memory %.0f MB, figures in %s\n", s.SecondsPerStep, s.PeakMB, o.out)
	if report == nil {
		return nil
	}
	w := json.NewEncoder(report)
	w.SetIndent("", "  ")
	return errors.Join(w.Encode(s), report.Close())
}

func newModel(o *options, ising *target.Ising, src rand.Source) (*flow.Model, error) {
	recipe := &flow.Recipe{
		Couplings: o.couplings, Hidden: o.hidden, Spline: o.spline,
		Network: flow.NetworkSettings{Size: o.size, Repeat: o.repeat}, Conditional: o.conditional, White: o.white,
	}
	shape := []int{o.L, o.L}
	var m *flow.Model
	var err error
	if o.grow == "" {
		m, err = recipe.Model(shape, ising.Spectrum(), src)
	} else if err = checkpoint.Read(o.grow, func(r io.Reader) (err error) { m, err = flow.Load(r); return err }); err == nil {
		m, err = recipe.Grow(m, shape, ising.Spectrum())
	}
	if err != nil {
		return nil, err
	}
	var symmetries []flow.Symmetry
	if o.symmetric {
		symmetries = append(symmetries, flow.Inversion(m.Dim()))
	}
	if o.reflect {
		r, err := flow.Reflections(shape)
		if err != nil {
			return nil, err
		}
		symmetries = append(symmetries, r...)
	}
	if o.translate {
		t, err := flow.Translations(shape)
		if err != nil {
			return nil, err
		}
		symmetries = append(symmetries, t...)
	}
	if m, err = flow.Symmetrize(m, symmetries...); err != nil {
		return nil, err
	}
	return m.Convert(o.dtype)
}

func countParams(m *flow.Model) int {
	n := 0
	for _, p := range m.Params() {
		n += p.Value().DataSize()
	}
	return n
}

// exactM2 is the exact structure factor where it is known. The value at L = 16
// comes from the same transfer matrix, which takes minutes there.
func exactM2(ising *target.Ising, o *options) (float64, bool) {
	if o.L == 16 && o.T == target.CriticalTemperature() {
		return 0.545417204397, true
	}
	return ising.ExactStructureFactor()
}
