package mi

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
)

// The baseline is zero within its error, and the error is that of the mean, not of
// one estimate.
func TestBaseline(t *testing.T) {
	const runs, times = 60, 8
	var means, claims, single []float64
	for seed := range uint64(runs) {
		x, y := normals(200, 1, 1, 0.6, 20+seed)
		mean, stdErr, err := Baseline(ctx, x, y, times, &Settings{Src: rand.NewPCG(seed, 1)})
		if err != nil {
			t.Fatal(err)
		}
		x, y = normals(200, 1, 1, 0, 20+seed)
		v, err := Estimate(ctx, x, y, nil)
		if err != nil {
			t.Fatal(err)
		}
		means, claims, single = append(means, mean), append(claims, stdErr*stdErr), append(single, v)
	}
	spread, claimed := stat.StdDev(means, nil), math.Sqrt(stat.Mean(claims, nil))
	t.Logf("spread of means %.4f, claimed %.4f; of single estimates %.4f", spread, claimed, stat.StdDev(single, nil))
	// The spread is uncertain by 1/√118 = .09, the claim by 1/√840 = .03.
	if r := claimed / spread; r < 0.7 || r > 1.35 {
		t.Errorf("error %.4f, spread of baselines %.4f", claimed, spread)
	}
	if mean := stat.Mean(means, nil); math.Abs(mean) > 0.02 {
		t.Errorf("baselines %.4f", mean)
	}
}

// The baseline of two permutations is their mean, and its error half of their
// difference.
func TestBaselineOfTwo(t *testing.T) {
	x, y := normals(300, 1, 2, 0.6, 3)
	mean, stdErr, err := Baseline(ctx, x, y, 2, &Settings{Src: rand.NewPCG(7, 1)})
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(7, 1))
	var v [2]float64
	for i := range v {
		shuffled := mat.NewDense(300, 2, nil)
		for r, p := range rnd.Perm(300) {
			shuffled.SetRow(r, y.RawRowView(p))
		}
		if v[i], err = Estimate(ctx, x, shuffled, nil); err != nil {
			t.Fatal(err)
		}
	}
	if math.Abs(mean-(v[0]+v[1])/2) > 1e-12 || math.Abs(stdErr-math.Abs(v[0]-v[1])/2) > 1e-12 {
		t.Errorf("%v ± %v of %v", mean, stdErr, v)
	}
}

// The error is that of the fluctuations, also for the shortest blocks, and the
// interval of Student's distribution covers at its level.
func TestStdErrCovers(t *testing.T) {
	const size = 100
	for _, c := range []struct {
		name        string
		p, runs     int
		blocks      int
		rho, within float64 // of Student's distribution, 95 %
	}{
		{"independent", 1, 100, 10, 0, 2.262},
		{"ρ = .6", 1, 100, 10, 0.6, 2.262},
		{"ρ = .9, three blocks", 1, 200, 3, 0.9, 4.303},
		{"vectors", 2, 60, 5, 0.6, 2.776},
	} {
		if testing.Short() {
			c.runs /= 4
		}
		var values, errs []float64
		squares := 0.0
		for seed := range uint64(c.runs) {
			x, y := normals(size*c.blocks, c.p, c.p, c.rho, 5000+seed)
			v, err := Estimate(ctx, x, y, nil)
			if err != nil {
				t.Fatal(err)
			}
			stdErr, err := StdErr(ctx, x, y, c.blocks, nil)
			if err != nil {
				t.Fatal(err)
			}
			values, errs, squares = append(values, v), append(errs, stdErr), squares+stdErr*stdErr
		}
		mean, spread := stat.MeanStdDev(values, nil)
		claimed, covered := math.Sqrt(squares/float64(c.runs)), 0.0
		for i, v := range values {
			if math.Abs(v-mean) < c.within*errs[i] {
				covered += 1 / float64(c.runs)
			}
		}
		uncertain := math.Sqrt(0.5 / float64(c.runs) * (1 + 1/float64(c.blocks-1)))
		t.Logf("%s: spread %.4f, claimed %.2f ± %.2f of it, 95 %% interval covers %.3f",
			c.name, spread, claimed/spread, uncertain, covered)
		if r := claimed / spread; r < 0.9-3*uncertain || r > 1.15+3*uncertain {
			t.Errorf("%s: claimed %.2f ± %.2f of the spread", c.name, r, uncertain)
		}
		if least := 0.93 - 3*math.Sqrt(0.95*0.05/float64(c.runs)); covered < least {
			t.Errorf("%s: 95 %% interval covers %.3f", c.name, covered)
		}
	}
}

// The error of two blocks is half of their difference, apart from the correction
// for short blocks.
func TestStdErrOfTwo(t *testing.T) {
	x, y := normals(2000, 1, 1, 0.6, 3)
	var v [2]float64
	for i := range v {
		var err error
		if v[i], err = Estimate(ctx, rows(x, 1000*i, 1000*(i+1)), rows(y, 1000*i, 1000*(i+1)), nil); err != nil {
			t.Fatal(err)
		}
	}
	// The sample variance of two numbers is half of the square of their difference.
	want := math.Abs(v[0]-v[1]) / 2 * math.Sqrt((1-math.Sqrt(9./2000))/(1-math.Sqrt(9./1000)))
	if got, err := StdErr(ctx, x, y, 2, nil); err != nil || math.Abs(got-want) > 1e-12 {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
	// The mean of one pair has the error of that pair.
	both := mat.NewDense(2000, 2, nil)
	both.Augment(x, y)
	if got, err := MeanOfPairsStdErr(ctx, both, 2, nil); err != nil || math.Abs(got-want) > 1e-12 {
		t.Errorf("mean of pairs: %v, %v, want %v", got, err, want)
	}
}

// The error holds for correlated rows if blocks are long. The rows are those of
// two autoregressive series with correlated noise and an autocorrelation time of
// nine rows.
func TestStdErrOfSeries(t *testing.T) {
	const n, rho, memory = 3000, 0.6, 0.8
	if testing.Short() {
		t.Skip("statistical")
	}
	var values, long []float64
	for seed := range uint64(40) {
		x, y := normals(n, 1, 1, rho, 600+seed)
		for _, series := range []*mat.Dense{x, y} {
			for i := 1; i < n; i++ {
				series.Set(i, 0, memory*series.At(i-1, 0)+math.Sqrt(1-memory*memory)*series.At(i, 0))
			}
		}
		v, err := Estimate(ctx, x, y, nil)
		if err != nil {
			t.Fatal(err)
		}
		a, err := StdErr(ctx, x, y, 15, nil)
		if err != nil {
			t.Fatal(err)
		}
		values, long = append(values, v), append(long, a)
	}
	spread := stat.StdDev(values, nil)
	t.Logf("spread %.4f; claimed %.4f by blocks of 200 rows", spread, stat.Mean(long, nil))
	if r := stat.Mean(long, nil) / spread; r < 0.7 || r > 1.4 {
		t.Errorf("claimed %.2f of the spread", r)
	}
}

// The error of the mean of pairs includes that pairs depend on each other, also for
// the shortest blocks.
func TestMeanOfPairs(t *testing.T) {
	inf := math.Inf(1)
	if v := MeanOfPairs(mat.NewSymDense(3, []float64{inf, 1, 2, 0, inf, 6, 0, 0, inf})); v != 3 {
		t.Errorf("mean %v, want 3", v)
	}
	p, runs := 5, uint64(60)
	if testing.Short() {
		runs /= 4
	}
	var values, claims []float64
	for seed := range runs {
		x, common := normals(600, p, 1, 0, 900+seed)
		for i := range 600 {
			for j := range p {
				x.Set(i, j, x.At(i, j)+common.At(i, 0))
			}
		}
		last := 0
		s := &Settings{Progress: func(done, total int) { last = done * 1000 / total }}
		m, err := Matrix(ctx, x, s)
		if err != nil {
			t.Fatal(err)
		}
		claim, err := MeanOfPairsStdErr(ctx, x, 6, s)
		if err != nil || last != 1000 {
			t.Fatal(err, last)
		}
		values, claims = append(values, MeanOfPairs(m)), append(claims, claim*claim)
	}
	mean, spread := stat.MeanStdDev(values, nil)
	exact, claimed := -0.5*math.Log(1-0.25), math.Sqrt(stat.Mean(claims, nil))
	uncertain := math.Sqrt(0.5 / float64(runs) * (1 + 1./5))
	t.Logf("mean %.4f, exact %.4f; spread %.4f, claimed %.4f", mean, exact, spread, claimed)
	if r := claimed / spread; r < 0.9-3*uncertain || r > 1.15+3*uncertain {
		t.Errorf("claimed %.2f ± %.2f of the spread", r, uncertain)
	}
	if math.Abs(mean-exact) > 0.01 {
		t.Errorf("mean %.4f, want %.4f", mean, exact)
	}
	x, _ := normals(600, 2, 1, 0, 1)
	if _, err := MeanOfPairsStdErr(ctx, x, 7, nil); !errors.Is(err, ErrSettings) {
		t.Errorf("short blocks: %v", err)
	}
	one := x.Slice(0, 600, 0, 1).(*mat.Dense)
	if _, err := MeanOfPairsStdErr(ctx, one, 2, nil); !errors.Is(err, ErrShape) {
		t.Errorf("one column: %v", err)
	}
}
