package flow

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/target"
)

// objectives are the types of Objective with settings, by name in the tables.
var objectives = []reflect.Type{reflect.TypeFor[ReverseKL]()}

// fieldsOf are the names of the fields of a struct of settings, of those inside
// it, and of those it points to, such as "Evaluation.Batch". Fields of an embedded
// struct stand beside the others. Those of an Objective are those of every type of
// objectives.
func fieldsOf(typ reflect.Type, prefix string) (names []string) {
	for i := range typ.NumField() {
		f := typ.Field(i)
		in := f.Type
		if in.Kind() == reflect.Pointer {
			in = in.Elem()
		}
		within := prefix + f.Name + "."
		if f.Anonymous {
			within = prefix
		} else {
			names = append(names, prefix+f.Name)
		}
		switch {
		case in.Kind() == reflect.Struct && in.PkgPath() == typ.PkgPath():
			names = append(names, fieldsOf(in, within)...)
		case in == reflect.TypeFor[Objective]():
			for _, o := range objectives {
				names = append(names, fieldsOf(o, within)...)
			}
		}
	}
	return names
}

// A file is for a trainer of the settings it was saved with: every field is
// refused that is another one, and named, or is in this table with the reason why it
// may differ.
func TestRestoreComparesSettings(t *testing.T) {
	type field struct {
		change func(s *Settings)
		named  string // in the error; "" if it may differ
	}
	const mayDiffer = ""
	table := map[string]field{
		"Steps":     {func(s *Settings) { s.Steps++ }, mayDiffer}, // training may go on for longer
		"Batch":     {func(s *Settings) { s.Batch++ }, "Batch"},
		"Src":       {func(s *Settings) { s.Src = rand.NewPCG(7, 7) }, mayDiffer}, // its state is in the file
		"Anneal":    {func(s *Settings) { s.Anneal = Ramp(0.5, 9) }, mayDiffer},   // a function cannot be compared
		"Images":    {func(s *Settings) { s.Images = 1 }, "Images"},
		"Window":    {func(s *Settings) { s.Window = 5 }, "Window"},
		"Parts":     {func(s *Settings) { s.Parts = 2 }, "Parts"},
		"Comm":      {func(s *Settings) { s.Comm = newChannels(1)[0] }, "Parts"},         // the default is another one
		"Recorder":  {func(s *Settings) { s.Recorder = keep(new([]Report)) }, mayDiffer}, // it watches
		"Objective": {func(s *Settings) { s.Objective = LossFunc(ReverseKL{}.Loss) }, "Objective"},

		"Objective.InversionKL": {func(s *Settings) { s.Objective = ReverseKL{InversionKL: 0.3} },
			"Objective.InversionKL"},
		"Objective.PathGradient": {func(s *Settings) { s.Objective = ReverseKL{PathGradient: true} },
			"Objective.PathGradient"},

		"Data": {func(s *Settings) { s.Data = nil }, "Data"},
		// it keeps its own state
		"Data.Source": {func(s *Settings) { s.Data.Source = &numberedData{calls: 9} }, mayDiffer},
		"Data.Weight": {func(s *Settings) { s.Data.Weight = 0.4 }, "Data.Weight"},

		"Optimizer":           {func(s *Settings) { s.Optimizer = OptimizerSettings{} }, "Optimizer.LearnRate"},
		"Optimizer.LearnRate": {func(s *Settings) { s.Optimizer.LearnRate *= 1 + 1e-15 }, "Optimizer.LearnRate"},
		// a function cannot be compared
		"Optimizer.Schedule": {func(s *Settings) { s.Optimizer.Schedule = Cosine(9, 1) }, mayDiffer},
		"Optimizer.Average":  {func(s *Settings) { s.Optimizer.Average = 0.8 }, "Optimizer.Average"},
		"Optimizer.Method":   {func(s *Settings) { s.Optimizer.Method = Soap }, "Optimizer.Method"},
		"Optimizer.ClipNorm": {func(s *Settings) { s.Optimizer.ClipNorm = 6 }, "Optimizer.ClipNorm"},
		"Optimizer.MaxScale": {func(s *Settings) { s.Optimizer.MaxScale = 2 }, "Optimizer.MaxScale"},
		"Optimizer.Plateau":  {func(s *Settings) { s.Optimizer.Plateau = nil }, "Optimizer.Plateau"},

		"Optimizer.Plateau.Factor": {func(s *Settings) { s.Optimizer.Plateau.Factor = 0.7 },
			"Optimizer.Plateau"},
		"Optimizer.Plateau.Patience": {func(s *Settings) { s.Optimizer.Plateau.Patience = 3 },
			"Optimizer.Plateau"},
		"Optimizer.Plateau.MinImprovement": {func(s *Settings) { s.Optimizer.Plateau.MinImprovement = 0.2 },
			"Optimizer.Plateau"},
		"Optimizer.Plateau.MinFactor": {func(s *Settings) { s.Optimizer.Plateau.MinFactor = 0.02 },
			"Optimizer.Plateau"},

		"Faults":        {func(s *Settings) { s.Faults = FaultSettings{} }, "Faults.Policy"},
		"Faults.Policy": {func(s *Settings) { s.Faults.Policy = FaultShrink }, "Faults.Policy"},
		"Faults.Max":    {func(s *Settings) { s.Faults.Max = 3 }, "Faults.Max"},

		"Evaluation":         {func(s *Settings) { s.Evaluation = nil }, "Evaluation"},
		"Evaluation.Every":   {func(s *Settings) { s.Evaluation.Every = 4 }, "Evaluation"},
		"Evaluation.Samples": {func(s *Settings) { s.Evaluation.Samples = 11 }, "Evaluation"},
		"Evaluation.Batch":   {func(s *Settings) { s.Evaluation.Batch = 6 }, "Evaluation"},
		"Evaluation.Images":  {func(s *Settings) { s.Evaluation.Images = 1 }, "Evaluation"},
		// its state is in the file
		"Evaluation.Src": {func(s *Settings) { s.Evaluation.Src = rand.NewChaCha8([32]byte{3}) }, mayDiffer},
		"Evaluation.Data": {func(s *Settings) { s.Evaluation.Data, s.Evaluation.DataSamples = nil, 0 },
			"Evaluation"},
		"Evaluation.DataSamples": {func(s *Settings) { s.Evaluation.DataSamples = 8 }, "Evaluation"},
	}
	make := func(change func(s *Settings)) (*Model, *Trainer) {
		s := &Settings{
			Steps: 9, Batch: 6, Window: 4, Src: rand.NewPCG(1, 1),
			Data: &DataSettings{Source: &numberedData{}, Weight: 0.3},
			Optimizer: OptimizerSettings{
				LearnRate: 3e-3, Average: 0.9, ClipNorm: 5, MaxScale: 1,
				Plateau: &Plateau{Factor: 0.6, Patience: 2, MinImprovement: 0.1, MinFactor: 0.01},
			},
			Faults: FaultSettings{Policy: FaultSkip, Max: 9},
			Evaluation: &EvaluationSettings{Every: 3, EvaluateSettings: EvaluateSettings{
				Samples: 10, Batch: 5, Data: &numberedData{calls: 50}, DataSamples: 7,
				Src: rand.NewChaCha8([32]byte{1}),
			}},
		}
		change(s)
		m := mera(t, 2, 3)
		return m, must(NewTrainer(m, ising(t, 2), s))
	}
	_, saved := make(func(*Settings) {})
	var file bytes.Buffer
	if err := saved.Run(t.Context(), 4); err != nil {
		t.Fatal(err)
	}
	if err := saved.Save(&file); err != nil {
		t.Fatal(err)
	}
	names := fieldsOf(reflect.TypeFor[Settings](), "")
	for name := range table {
		if !slices.Contains(names, name) {
			t.Errorf("%s is no field any more", name)
		}
	}
	for _, name := range names {
		c, ok := table[name]
		if !ok {
			t.Errorf("Settings.%s is not in the table: say whether Restore refuses another one", name)
			continue
		}
		m, tr := make(c.change)
		before := params(m)
		var was, is bytes.Buffer
		if err := tr.Save(&was); err != nil {
			t.Fatal(err)
		}
		err := tr.Restore(bytes.NewReader(file.Bytes()))
		if c.named == mayDiffer {
			if err != nil || slices.Equal(before, params(m)) {
				t.Errorf("%s: %v, or nothing is restored", name, err)
			}
			continue
		}
		wantError(t, name, err, ErrCheckpoint, "other settings: ", c.named+" is ")
		if err := tr.Save(&is); err != nil || !bytes.Equal(was.Bytes(), is.Bytes()) {
			t.Errorf("%s: the trainer has changed", name)
		}
	}
}

// Arithmetic is a part of the model: a trainer in float32 does not take up what
// was saved in float64, which it would not follow to the bit.
func TestRestoreComparesArithmetic(t *testing.T) {
	s := func() *Settings { return &Settings{Batch: 4, Src: rand.NewPCG(1, 1)} }
	m := mera(t, 2, 3)
	var file bytes.Buffer
	if err := must(NewTrainer(m, ising(t, 2), s())).Save(&file); err != nil {
		t.Fatal(err)
	}
	f32 := m.Float32()
	wantError(t, "float32", must(NewTrainer(f32, ising(t, 2), s())).Restore(&file), ErrCheckpoint, "float64", "float32")
}

// A *rand.Rand has no state that can be saved. A trainer says so when it is made,
// not at the first checkpoint.
func TestTrainerSources(t *testing.T) {
	wrapped := rand.New(rand.NewPCG(1, 1))
	for name, s := range map[string]*Settings{
		"training": {Src: wrapped},
		"Evaluation": {Src: rand.NewPCG(1, 1),
			Evaluation: &EvaluationSettings{EvaluateSettings: EvaluateSettings{Src: wrapped}}},
	} {
		_, err := NewTrainer(mera(t, 2, 3), ising(t, 2), s)
		wantError(t, name, err, ErrSettings, name, "*rand.Rand cannot be saved", "pass the *rand.PCG")
	}
	// Where nothing is saved, it is a source as any other.
	m := mera(t, 2, 3)
	if _, err := Evaluate(t.Context(), m, ising(t, 2), &EvaluateSettings{Samples: 10, Src: wrapped}); err != nil {
		t.Error(err)
	}
	if err := m.Sample(mat.NewDense(2, 4, nil), nil, wrapped); err != nil {
		t.Error(err)
	}
	for name, src := range map[string]rand.Source{"PCG": rand.NewPCG(1, 1), "ChaCha8": rand.NewChaCha8([32]byte{1})} {
		if err := must(NewTrainer(m, ising(t, 2), &Settings{Src: src})).Save(new(bytes.Buffer)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// documented are the comments of the fields of all exported structs of the
// package and of bijector, by "Type.Field", if some field of the struct has a default.
func documented(t *testing.T) map[string]string {
	t.Helper()
	comments := map[string]string{}
	files, err := filepath.Glob("*.go")
	others, err2 := filepath.Glob("../bijector/*.go")
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, others...) {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok || !spec.Name.IsExported() {
				return true
			}
			body, ok := spec.Type.(*ast.StructType)
			if !ok {
				return false
			}
			fields, any := map[string]string{}, strings.HasSuffix(spec.Name.Name, "Settings")
			for _, f := range body.Fields.List {
				text := strings.Join(strings.Fields(f.Doc.Text()+" "+f.Comment.Text()), " ")
				any = any || strings.Contains(text, "by default")
				for _, name := range f.Names {
					fields[spec.Name.Name+"."+name.Name] = text
				}
			}
			if any {
				for name, text := range fields {
					comments[name] = text
				}
			}
			return false
		})
	}
	return comments
}

// couplingsOf is the number of couplings of a block of a recipe.
func couplingsOf(spline bool) int {
	h := must((&Recipe{Spline: spline}).Model([]int{2}, nil, rand.NewPCG(1, 1))).Bijector().(*bijector.Hierarchy)
	switch b := h.Layers()[0].Block().(type) {
	case *bijector.RealNVP:
		return len(b.Couplings())
	case *bijector.Spline:
		return len(b.Couplings())
	}
	return 0
}

// layersWith is the number of layers of a network with exact sites.
func layersWith(repeat int) int {
	r := exactRecipe(1)
	r.Network.EvenRepeat = repeat
	m := must(r.Model([]int{4, 4}, nil, rand.NewPCG(1, 1)))
	return len(m.Bijector().(*bijector.Hierarchy).Layers())
}

// Every default is what the comment of its field says, and every field whose
// comment says so has its line here.
func TestDocumentedDefaults(t *testing.T) {
	m, pi := mera(t, 2, 3), ising(t, 2)
	trained := func(s Settings) *Trainer {
		s.Src = rand.NewPCG(1, 1)
		return must(NewTrainer(m, pi, &s))
	}
	plain := trained(Settings{}).s
	adam := plain.Optimizer
	evaluation := func(d DataSource) *EvaluationSettings {
		return trained(Settings{Evaluation: &EvaluationSettings{
			EvaluateSettings: EvaluateSettings{Data: d, Src: rand.NewPCG(2, 2)}}}).s.Evaluation
	}
	held, annealed := evaluation(nil), must(AISSettings{Src: rand.NewPCG(1, 1)}.defaults(m))
	scales := must(ScaleSettings{Src: rand.NewPCG(1, 1)}.defaults(m))
	pilots := must(target.NewFreeField([]int{2, 2}, 1))
	piloted := must((&PilotSettings{Src: rand.NewPCG(1, 1)}).defaults(context.Background(), pilots))
	measured := must(MeasureSettings{Src: rand.NewPCG(1, 1)}.defaults(m, []Observable{{"x", floats.Sum}}))
	plateau := trained(Settings{Optimizer: OptimizerSettings{Plateau: &Plateau{}}, Window: 37}).s.Optimizer.Plateau
	one := must(New(target.NewNormal(1), must(bijector.NewPermutation([]int{0}))))
	samples := &EvaluateSettings{Src: rand.NewPCG(1, 1)}
	evaluated := must(Evaluate(context.Background(), one, target.NewNormal(1), samples))
	network := func(s *bijector.NetworkSettings) string {
		a, _ := encode(model(t, must(bijector.NewMERA([]int{8, 8}, blocks(4, 1, 2), s))))
		return string(must(json.Marshal(a)))
	}
	recipe := func(steps int) *Settings { return (&Recipe{}).Settings(steps, rand.NewPCG(1, 1)) }
	affine := must(bijector.NewRealNVP(2, &bijector.RealNVPSettings{Src: rand.NewPCG(1, 1)})).Settings()
	circular := must(bijector.NewCircularSpline(2, &bijector.CircularSettings{Src: rand.NewPCG(1, 1)})).Settings()
	spline := must(bijector.NewSpline(2, &bijector.SplineSettings{Src: rand.NewPCG(1, 1)})).Settings()
	const none = "" // no default, or one that is not in the comment: zero is what it says
	table := map[string]struct {
		says      string // before or after "by default"
		got, want any
	}{
		"Settings.Steps":      {none, nil, nil},
		"Settings.Batch":      {"512", plain.Batch, 512},
		"Settings.Src":        {none, nil, nil},
		"Settings.Objective":  {"ReverseKL{}", plain.Objective, ReverseKL{}},
		"Settings.Anneal":     {"1", must(plain.Anneal.at(7)), 1.0},
		"Settings.Images":     {"all", must(newImages(m, plain.Images)), (*images)(nil)},
		"Settings.Data":       {"none", plain.Data, (*DataSettings)(nil)},
		"Settings.Optimizer":  {none, nil, nil},
		"Settings.Faults":     {none, nil, nil},
		"Settings.Evaluation": {"none", plain.Evaluation, (*EvaluationSettings)(nil)},
		"Settings.Parts":      {none, []int{plain.Parts, defaultParts(512)}, []int{0, 8}},
		"Settings.Comm":       {none, plain.Comm, nil},
		"Settings.Window":     {"100", plain.Window, 100},
		"Settings.Recorder":   {none, plain.Recorder, nil},

		"ReverseKL.PathGradient": {none, plain.Objective.(ReverseKL).PathGradient, false},
		"ReverseKL.InversionKL":  {"none", plain.Objective.(ReverseKL).InversionKL, 0.0},

		"DataSettings.Source": {none, nil, nil},
		"DataSettings.Weight": {"½", trained(Settings{Data: &DataSettings{Source: &numberedData{}}}).s.Data.Weight,
			0.5},

		"OptimizerSettings.LearnRate": {"1e-3", adam.LearnRate, 1e-3},
		"OptimizerSettings.Schedule":  {"constant", must(adam.Schedule.at(7)), 1.0},
		"OptimizerSettings.Plateau":   {none, adam.Plateau, (*Plateau)(nil)},
		"OptimizerSettings.Method":    {"Adam", adam.Method, Adam},
		"OptimizerSettings.ClipNorm":  {none, adam.ClipNorm, 0.0},
		"OptimizerSettings.MaxScale":  {none, adam.MaxScale, 0.0},
		"OptimizerSettings.Average":   {none, adam.Average, 0.0},

		"FaultSettings.Policy": {"FaultStop", plain.Faults.Policy, FaultStop},
		"FaultSettings.Max":    {"100", plain.Faults.Max, 100},

		"EvaluationSettings.Every": {"100", held.Every, 100},

		"EvaluateSettings.Samples": {"10 000", []int{evaluated.Samples, held.Samples}, []int{10000, 10000}},
		"EvaluateSettings.Batch":   {"500", held.Batch, 500},
		"EvaluateSettings.Images":  {"all", must(newImages(m, held.Images)), (*images)(nil)},
		"EvaluateSettings.Src":     {none, nil, nil},
		"EvaluateSettings.Data":    {"none", held.Data, nil},
		"EvaluateSettings.DataSamples": {"else Samples", []int{
			evaluation(&numberedData{}).DataSamples, evaluation(&DataRows{X: randn(1, 9, 4)}).DataSamples},
			[]int{10000, 9}},

		"AISSettings.Samples": {"1000", annealed.Samples, 1000},
		"AISSettings.Batch":   {"500", annealed.Batch, 500},
		"AISSettings.Betas":   {"those of a pilot run", annealed.Betas, []float64(nil)},
		"AISSettings.Rungs":   {"as many as the path is long", annealed.Rungs, 0},
		"AISSettings.Steps":   {"1", annealed.Steps, 1},
		"AISSettings.Moves": {"Those of all latent variables and of half the lattice", annealed.Moves,
			defaultMoves(m)},
		"AISSettings.Resample": {"never", annealed.Resample, 0.0},
		"AISSettings.Src":      {none, nil, nil},
		"AISSettings.Progress": {none, nil, nil},
		"AISSettings.Comm":     {none, annealed.Comm, nil},

		"MeasureSettings.Chains":        {"32", measured.Chains, 32},
		"MeasureSettings.RelErr":        {"0.01", measured.RelErr, 0.01},
		"MeasureSettings.MaxSweeps":     {"10 000", measured.MaxSweeps, 10000},
		"MeasureSettings.WarmUp":        {"200", measured.WarmUp, 200},
		"MeasureSettings.PhysicalSteps": {"250", measured.PhysicalSteps, 250},
		"MeasureSettings.Kernel":        {"chosen in the warm-up", measured.Kernel, hmc.Kernel(nil)},
		"MeasureSettings.Start":         {"samples of the model", measured.Start, (*mat.Dense)(nil)},
		"MeasureSettings.Src":           {none, nil, nil},
		"MeasureSettings.Progress":      {none, nil, nil},
		"MeasureSettings.Comm":          {none, measured.Comm, nil},

		"ScaleSettings.Samples": {"64", scales.Samples, 64},
		"ScaleSettings.Redraws": {"128", scales.Redraws, 128},
		"ScaleSettings.Src":     {none, nil, nil},

		"PilotSettings.Shape":  {"what its method Shape", piloted.Shape, []int{2, 2}},
		"PilotSettings.Recipe": {"BestRecipe", pilotBase([]int{4, 4}), BestRecipe()},
		"PilotSettings.Chains": {"32", piloted.Chains, 32},
		"PilotSettings.Sweeps": {"200", piloted.Sweeps, 200},
		"PilotSettings.Steps":  {"200", piloted.Steps, 200},
		"PilotSettings.Batch":  {"64", piloted.Batch, 64},
		"PilotSettings.Images": {"4", piloted.Images, 4},
		"PilotSettings.Src":    {none, nil, nil},

		"Plateau.Factor":         {"½", plateau.Factor, 0.5},
		"Plateau.Patience":       {"Settings.Window", plateau.Patience, 37},
		"Plateau.MinImprovement": {"any", plateau.MinImprovement, 0.0},
		"Plateau.MinFactor":      {"1e-6", plateau.MinFactor, 1e-6},

		"NetworkSettings.Size":         {"2", network(&bijector.NetworkSettings{Size: 2}), network(nil)},
		"NetworkSettings.Depth":        {"as many", network(&bijector.NetworkSettings{Depth: 3}), network(nil)},
		"NetworkSettings.Repeat":       {"1", network(&bijector.NetworkSettings{Repeat: 1}), network(nil)},
		"NetworkSettings.Join":         {none, nil, nil},
		"NetworkSettings.ContextBlock": {none, nil, nil},
		"NetworkSettings.OddBlock":     {none, nil, nil},
		"NetworkSettings.Components":   {"1", network(&bijector.NetworkSettings{Components: 1}), network(nil)},
		"NetworkSettings.EvenRepeat":   {"4", layersWith(0), layersWith(4)},
		"QuarticSettings.Quadratic":    {none, nil, nil},
		"QuarticSettings.Quartic":      {none, nil, nil},
		"QuarticSettings.Coupling":     {none, nil, nil},
		"QuarticSettings.Field":        {none, nil, nil},

		"RealNVPSettings.Couplings":  {"10", affine.Couplings, 10},
		"RealNVPSettings.Hidden":     {"10, 10, 10", affine.Hidden, []int{10, 10, 10}},
		"RealNVPSettings.Keep":       {none, nil, nil},
		"RealNVPSettings.Src":        {none, nil, nil},
		"CircularSettings.Couplings": {"4", circular.Couplings, 4},
		"CircularSettings.Hidden":    {"10, 10, 10", circular.Hidden, []int{10, 10, 10}},
		"CircularSettings.Bins":      {"12", circular.Bins, 12},
		"CircularSettings.Relative":  {none, nil, nil},
		"CircularSettings.Keep":      {"drawn like those of a RealNVP", len(circular.Keep), 4},
		"CircularSettings.Src":       {none, nil, nil},

		"SplineSettings.Couplings": {"4", spline.Couplings, 4},
		"SplineSettings.Hidden":    {"10, 10, 10", spline.Hidden, []int{10, 10, 10}},
		"SplineSettings.Bins":      {"8", spline.Bins, 8},
		"SplineSettings.Bound":     {"6", spline.Bound, 6.0},
		"SplineSettings.Pure":      {none, nil, nil},
		"SplineSettings.Keep":      {"drawn like those of a RealNVP", len(spline.Keep), 4},
		"SplineSettings.Src":       {none, nil, nil},

		"Recipe.Couplings": {"that of its bijector", []int{couplingsOf(false), couplingsOf(true)},
			[]int{defaultCouplings(false), defaultCouplings(true)}},
		"Recipe.Hidden":                {none, nil, nil},
		"Recipe.Spline":                {none, nil, nil},
		"Recipe.Checkerboard":          {none, nil, nil},
		"Recipe.Rational":              {none, nil, nil},
		"Recipe.Network":               {none, nil, nil},
		"Recipe.ConditionalDecimators": {none, nil, nil},
		"Recipe.Exact":                 {none, nil, nil},
		"Recipe.Scale":                 {"1", (&Recipe{}).hasScale(nil), (&Recipe{Scale: 1}).hasScale(nil)},
		"Recipe.Whiten":                {none, nil, nil},
		"Recipe.PathGradient":          {none, recipe(10).Objective, ReverseKL{}},
		"Recipe.Anneal":                {"1", must(recipe(10).Anneal.at(1)), 1.0},
		"Recipe.Method":                {"Adam", recipe(10).Optimizer.Method, Adam},
		"Recipe.LearnRate":             {"5e-3", recipe(10).Optimizer.LearnRate, 5e-3},
		"Recipe.Warmup": {"50 or a tenth of all",
			[]bool{recipe(1000).Optimizer.Schedule(49) < 1, recipe(1000).Optimizer.Schedule(50) == 1,
				recipe(100).Optimizer.Schedule(9) < 1, recipe(100).Optimizer.Schedule(10) == 1},
			[]bool{true, true, true, true}},
	}
	comments := documented(t)
	for name, text := range comments {
		c, ok := table[name]
		switch {
		case !ok:
			t.Errorf("%s is not in the table: %s", name, text)
		case (c.says != none) != strings.Contains(text, "by default"):
			t.Errorf("%s: the table says %q, the comment %q", name, c.says, text)
		case c.says != none && !strings.Contains(text, c.says+" by default") &&
			!strings.Contains(text, "by default "+c.says):
			t.Errorf("%s: the comment is %q, the table says %s by default", name, text, c.says)
		case !reflect.DeepEqual(c.got, c.want):
			t.Errorf("%s: the default is %v, want %v", name, c.got, c.want)
		}
	}
	for name := range table {
		if _, ok := comments[name]; !ok {
			t.Errorf("%s is no field any more", name)
		}
	}
	if len(comments) < 40 {
		t.Errorf("only %d fields found", len(comments))
	}
}

// pilotBase is the recipe that a pilot run varies by default.
func pilotBase(shape []int) *Recipe {
	return (&piloting{Pilot: &Pilot{Shape: shape}, s: &PilotSettings{}}).base()
}

// defaultCouplings is the number of couplings of a block made without settings.
func defaultCouplings(spline bool) int {
	src := rand.NewPCG(1, 1)
	if spline {
		return len(must(bijector.NewSmoothSpline(2, &bijector.SplineSettings{Src: src})).Couplings())
	}
	return len(must(bijector.NewRealNVP(2, &bijector.RealNVPSettings{Src: src})).Couplings())
}
