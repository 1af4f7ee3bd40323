// Command mi compares the mutual information of package mi, values and speed,
// with mutual_info_regression of scikit-learn on the same samples, on one core
// each. It prints what docs/paper.md states, and needs a Python with
// scikit-learn, python3 or $PYTHON.
//
//	go run ./docs/benchmarks/mi
//
// With the number of samples it compares the speed for one pair of variables
// alone, and prints one line:
//
//	go run ./docs/benchmarks/mi -n 10000
package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"time"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"github.com/neuralrg/neuralrg/mi"
)

//go:embed peer.py
var peer string

// problem is a quantity y, (n, 1), and the columns of x, (n, p), whose mutual
// information with it is sought one by one.
type problem struct{ x, y *mat.Dense }

// answer is the estimate for every column and the time for all.
type answer struct {
	values  []float64
	seconds float64
}

func main() {
	n := flag.Int("n", 0, "samples of one pair; 0 compares everything")
	peerFirst := flag.Bool("peer-first", false, "with -n: scikit-learn comes first")
	flag.Parse()
	runtime.GOMAXPROCS(1)
	work := compare
	if *n > 0 {
		work = func() error { return onePair(*n, *peerFirst) }
	}
	if err := work(); err != nil {
		fmt.Fprintln(os.Stderr, "mi:", err)
		os.Exit(1)
	}
}

func compare() error {
	const seeds, pairs = 48, 256
	rows := []struct {
		n   int
		rho float64
	}{{2000, 0}, {2000, 0.6}, {2000, 0.9}, {500, 0.9999}}
	rnd := rand.New(rand.NewPCG(1, 2004))
	var problems []problem
	for _, r := range rows {
		for range seeds {
			problems = append(problems, normals(r.n, 1, r.rho, rnd))
		}
	}
	for range pairs {
		problems = append(problems, normals(2000, 1, 0.1, rnd))
	}

	peers, version, err := peerAnswers(problems)
	if err != nil {
		return err
	}
	var ranks, ours []answer // by the default scale and by that of scikit-learn
	for _, p := range problems {
		a, err := estimates(p, mi.Rank)
		if err != nil {
			return err
		}
		b, err := estimates(problem{standard(p.x), standard(p.y)}, mi.Raw)
		if err != nil {
			return err
		}
		ranks, ours = append(ranks, a), append(ours, b)
	}

	fmt.Printf("normal variables, mean and spread over %d draws\n\n", seeds)
	fmt.Printf("| n, ρ | exact | mi, Rank | mi, Raw, standardised | scikit-learn %s |\n", version)
	fmt.Println("|---|---|---|---|---|")
	for k, r := range rows {
		fmt.Printf("| %d, %g | %.4f |", r.n, r.rho, -0.5*math.Log1p(-r.rho*r.rho))
		for _, answers := range [][]answer{ranks, ours, peers} {
			var values []float64
			for _, a := range answers[k*seeds : (k+1)*seeds] {
				values = append(values, a.values[0])
			}
			mean, std := stat.MeanStdDev(values, nil)
			fmt.Printf(" %.4f, %.4f |", mean, std)
		}
		fmt.Println()
	}
	worst := 0.0
	for k, p := range peers {
		for j, v := range p.values {
			worst = max(worst, math.Abs(v-max(0, ours[k].values[j]))) // scikit-learn clips
		}
	}
	fmt.Printf("\nlargest difference of the last two %.1g nats, negative estimates clipped\n", worst)
	// Medians: other programs take their time out of some of the pairs.
	a, b := medianTime(ranks[len(ranks)-pairs:]), medianTime(peers[len(peers)-pairs:])
	fmt.Printf("2000 samples, per pair, median of %d: mi %.2f ms, scikit-learn %.2f ms, %.1f times as long\n",
		pairs, 1e3*a, 1e3*b, b/a)
	return nil
}

// onePair estimates the mutual information of one pair of normal variables and
// prints estimates and times. A small problem comes before, which is not timed.
func onePair(n int, peerFirst bool) error {
	const rho = 0.9
	rnd := rand.New(rand.NewPCG(1, 2))
	problems := []problem{normals(100, 1, rho, rnd), normals(n, 1, rho, rnd)}
	var ours, peers []answer
	var version string
	order := []func() error{
		func() error {
			for _, p := range problems {
				a, err := estimates(problem{standard(p.x), standard(p.y)}, mi.Raw)
				if err != nil {
					return err
				}
				ours = append(ours, a)
			}
			return nil
		},
		func() (err error) {
			peers, version, err = peerAnswers(problems)
			return err
		},
	}
	if peerFirst {
		slices.Reverse(order)
	}
	for _, f := range order {
		if err := f(); err != nil {
			return err
		}
	}
	a, b := ours[1], peers[1]
	fmt.Printf("n = %d: exact %.4f, mi %.4f in %.6f s, scikit-learn %s %.4f in %.6f s\n",
		n, -0.5*math.Log1p(-rho*rho), a.values[0], a.seconds, version, b.values[0], b.seconds)
	// scikit-learn adds noise of 1e-10, which changes a few counts.
	if math.Abs(a.values[0]-b.values[0]) > 1e-6 {
		return fmt.Errorf("the estimates differ by %.2g", a.values[0]-b.values[0])
	}
	return nil
}

func medianTime(answers []answer) float64 {
	var times []float64
	for _, a := range answers {
		times = append(times, a.seconds)
	}
	slices.Sort(times)
	return times[len(times)/2]
}

// normals draws normal variables of which every column of x has correlation
// rho with y.
func normals(n, p int, rho float64, rnd *rand.Rand) problem {
	x, y := mat.NewDense(n, p, nil), mat.NewDense(n, 1, nil)
	for i := range n {
		v := rnd.NormFloat64()
		y.Set(i, 0, v)
		for j := range p {
			x.Set(i, j, rho*v+math.Sqrt(1-rho*rho)*rnd.NormFloat64())
		}
	}
	return problem{x, y}
}

// standard is x with columns of mean 0 and variance 1.
func standard(x *mat.Dense) *mat.Dense {
	n, cols := x.Dims()
	y := mat.NewDense(n, cols, nil)
	for j := range cols {
		v := mat.Col(nil, j, x)
		mean, std := stat.MeanStdDev(v, nil)
		for i, u := range v {
			y.Set(i, j, (u-mean)/std)
		}
	}
	return y
}

// estimates are those of package mi.
func estimates(p problem, scale mi.Scale) (answer, error) {
	n, cols := p.x.Dims()
	a := answer{values: make([]float64, cols)}
	ctx := context.Background()
	start := time.Now()
	for j := range cols {
		v, err := mi.Estimate(ctx, p.x.Slice(0, n, j, j+1).(*mat.Dense), p.y, &mi.Settings{Scale: scale})
		if err != nil {
			return a, err
		}
		a.values[j] = v
	}
	a.seconds = time.Since(start).Seconds()
	return a, nil
}

// peerAnswers asks Python: little-endian numbers go in and out, n, p, x and y
// of every problem, and the values and the time of every answer.
func peerAnswers(problems []problem) (answers []answer, version string, err error) {
	python := os.Getenv("PYTHON")
	if python == "" {
		python = "python3"
	}
	var in bytes.Buffer
	for _, p := range problems {
		n, cols := p.x.Dims()
		for _, v := range []any{[]int64{int64(n), int64(cols)}, p.x.RawMatrix().Data, p.y.RawMatrix().Data} {
			if err := binary.Write(&in, binary.LittleEndian, v); err != nil {
				return nil, "", err
			}
		}
	}
	cmd := exec.Command(python, "-c", peer)
	cmd.Env = append(os.Environ(), "OMP_NUM_THREADS=1")
	cmd.Stdin, cmd.Stderr = &in, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", python, err)
	}
	name, rest, ok := bytes.Cut(out, []byte("\n"))
	if !ok {
		return nil, "", errors.New("no answer from " + python)
	}
	r := bytes.NewReader(rest)
	for _, p := range problems {
		_, cols := p.x.Dims()
		a := answer{values: make([]float64, cols)}
		if err := errors.Join(
			binary.Read(r, binary.LittleEndian, a.values),
			binary.Read(r, binary.LittleEndian, &a.seconds),
		); err != nil {
			return nil, "", fmt.Errorf("answer of %s: %w", python, err)
		}
		answers = append(answers, a)
	}
	if _, err := r.ReadByte(); err != io.EOF {
		return nil, "", errors.New("more answers than questions")
	}
	return answers, string(name), nil
}
