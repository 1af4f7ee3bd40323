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

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/target"
)

// fieldsOf are the names of the fields of a struct of settings, and of those it
// points to, such as "Evaluate.Batch".
func fieldsOf(typ reflect.Type, prefix string) (names []string) {
	for i := range typ.NumField() {
		f := typ.Field(i)
		names = append(names, prefix+f.Name)
		if f.Type.Kind() == reflect.Pointer && f.Type.Elem().Kind() == reflect.Struct && f.Type.Elem().PkgPath() == typ.PkgPath() {
			names = append(names, fieldsOf(f.Type.Elem(), prefix+f.Name+".")...)
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
		"Steps":                  {func(s *Settings) { s.Steps++ }, mayDiffer}, // training may go on for longer
		"Batch":                  {func(s *Settings) { s.Batch++ }, "Batch"},
		"LearnRate":              {func(s *Settings) { s.LearnRate *= 1 + 1e-15 }, "LearnRate"},
		"Schedule":               {func(s *Settings) { s.Schedule = Cosine(9, 1) }, mayDiffer},        // a function cannot be compared
		"Anneal":                 {func(s *Settings) { s.Anneal = Ramp(0.5, 9) }, mayDiffer},          // nor can this one
		"Recorder":               {func(s *Settings) { s.Recorder = keep(new([]Report)) }, mayDiffer}, // it watches
		"Src":                    {func(s *Settings) { s.Src = rand.NewPCG(7, 7) }, mayDiffer},        // its state is in the file
		"Average":                {func(s *Settings) { s.Average = 0.8 }, "Average"},
		"InversionKL":            {func(s *Settings) { s.InversionKL = 0.3 }, "InversionKL"},
		"Images":                 {func(s *Settings) { s.Images = 1 }, "Images"},
		"PathGradient":           {func(s *Settings) { s.PathGradient = true }, "PathGradient"},
		"Data":                   {func(s *Settings) { s.Data, s.DataWeight = nil, 0 }, "Data"},
		"DataWeight":             {func(s *Settings) { s.DataWeight = 0.4 }, "DataWeight"},
		"ClipNorm":               {func(s *Settings) { s.ClipNorm = 6 }, "ClipNorm"},
		"MaxScale":               {func(s *Settings) { s.MaxScale = 2 }, "MaxScale"},
		"OnFault":                {func(s *Settings) { s.OnFault = FaultShrink }, "OnFault"},
		"MaxFaults":              {func(s *Settings) { s.MaxFaults = 3 }, "MaxFaults"},
		"Window":                 {func(s *Settings) { s.Window = 5 }, "Window"},
		"Plateau":                {func(s *Settings) { s.Plateau = nil }, "Plateau"},
		"Plateau.Factor":         {func(s *Settings) { s.Plateau.Factor = 0.7 }, "Plateau"},
		"Plateau.Patience":       {func(s *Settings) { s.Plateau.Patience = 3 }, "Plateau"},
		"Plateau.MinImprovement": {func(s *Settings) { s.Plateau.MinImprovement = 0.2 }, "Plateau"},
		"Plateau.MinFactor":      {func(s *Settings) { s.Plateau.MinFactor = 0.02 }, "Plateau"},
		"Evaluate":               {func(s *Settings) { s.Evaluate, s.EvaluateEvery = nil, 0 }, "Evaluate"},
		"Evaluate.Samples":       {func(s *Settings) { s.Evaluate.Samples = 11 }, "Evaluate"},
		"Evaluate.Batch":         {func(s *Settings) { s.Evaluate.Batch = 6 }, "Evaluate"},
		"Evaluate.Images":        {func(s *Settings) { s.Evaluate.Images = 1 }, "Evaluate"},
		"Evaluate.Src":           {func(s *Settings) { s.Evaluate.Src = rand.NewChaCha8([32]byte{3}) }, mayDiffer}, // its state is in the file
		"Evaluate.Data":          {func(s *Settings) { s.Evaluate.Data, s.Evaluate.DataSamples = nil, 0 }, "Evaluate"},
		"Evaluate.DataSamples":   {func(s *Settings) { s.Evaluate.DataSamples = 8 }, "Evaluate"},
		"EvaluateEvery":          {func(s *Settings) { s.EvaluateEvery = 4 }, "Evaluate"},
	}
	make := func(change func(s *Settings)) (*Model, *Trainer) {
		s := &Settings{
			Steps: 9, Batch: 6, LearnRate: 3e-3, Plateau: &Plateau{Factor: 0.6, Patience: 2, MinImprovement: 0.1, MinFactor: 0.01}, Average: 0.9,
			Data: &numberedData{}, DataWeight: 0.3, ClipNorm: 5, MaxScale: 1, OnFault: FaultSkip, MaxFaults: 9, Window: 4, Src: rand.NewPCG(1, 1),
			Evaluate: &EvaluateSettings{Samples: 10, Batch: 5, Data: &numberedData{calls: 50}, DataSamples: 7, Src: rand.NewChaCha8([32]byte{1})}, EvaluateEvery: 3,
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
		"Evaluate": {Src: rand.NewPCG(1, 1), Evaluate: &EvaluateSettings{Src: wrapped}},
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

// Every default is what the comment of its field says, and every field whose
// comment says so has its line here.
func TestDocumentedDefaults(t *testing.T) {
	m, pi := mera(t, 2, 3), ising(t, 2)
	trained := func(s Settings) *Trainer {
		s.Src = rand.NewPCG(1, 1)
		return must(NewTrainer(m, pi, &s))
	}
	plain := trained(Settings{}).s
	held := trained(Settings{Evaluate: &EvaluateSettings{Src: rand.NewPCG(2, 2)}}).s
	plateau := *trained(Settings{Plateau: &Plateau{}, Window: 37}).s.Plateau
	one := must(New(target.NewNormal(1), must(bijector.NewPermutation([]int{0}))))
	evaluated := must(Evaluate(context.Background(), one, target.NewNormal(1), &EvaluateSettings{Src: rand.NewPCG(1, 1)}))
	fromData := func(d DataSource) *EvaluateSettings {
		return trained(Settings{Evaluate: &EvaluateSettings{Data: d, Src: rand.NewPCG(2, 2)}}).s.Evaluate
	}
	network := func(s *bijector.NetworkSettings) string {
		a, _ := encode(model(t, must(bijector.NewMERA([]int{8, 8}, blocks(4, 1, 2), s))))
		return string(must(json.Marshal(a)))
	}
	recipe := func(steps int) *Settings { return (&Recipe{}).Settings(steps, rand.NewPCG(1, 1)) }
	couplings := func(spline bool) int {
		h := must((&Recipe{Spline: spline}).Model([]int{2}, nil, rand.NewPCG(1, 1))).Bijector().(*bijector.Hierarchy)
		switch b := h.Layers()[0].Block().(type) {
		case *bijector.RealNVP:
			return len(b.Couplings())
		case *bijector.Spline:
			return len(b.Couplings())
		}
		return 0
	}
	affine := must(bijector.NewRealNVP(2, &bijector.RealNVPSettings{Src: rand.NewPCG(1, 1)})).Settings()
	spline := must(bijector.NewSpline(2, &bijector.SplineSettings{Src: rand.NewPCG(1, 1)})).Settings()
	const none = "" // no default, or one that is not in the comment: zero is what it says
	table := map[string]struct {
		says      string // before or after "by default"
		got, want any
	}{
		"Settings.Steps":         {none, nil, nil},
		"Settings.Batch":         {"512", plain.Batch, 512},
		"Settings.LearnRate":     {"1e-3", plain.LearnRate, 1e-3},
		"Settings.Schedule":      {"constant", must(plain.Schedule.at(7)), 1.0},
		"Settings.Plateau":       {none, plain.Plateau, (*Plateau)(nil)},
		"Settings.Average":       {none, plain.Average, 0.0},
		"Settings.Anneal":        {"1", must(plain.Anneal.at(7)), 1.0},
		"Settings.InversionKL":   {"0", plain.InversionKL, 0.0},
		"Settings.Images":        {"all", must(newImages(m, plain.Images)), (*images)(nil)},
		"Settings.PathGradient":  {none, plain.PathGradient, false},
		"Settings.Data":          {"none", plain.Data == nil, true},
		"Settings.DataWeight":    {"½", trained(Settings{Data: &numberedData{}}).s.DataWeight, 0.5},
		"Settings.ClipNorm":      {none, plain.ClipNorm, 0.0},
		"Settings.MaxScale":      {none, plain.MaxScale, 0.0},
		"Settings.OnFault":       {"FaultStop", plain.OnFault, FaultStop},
		"Settings.MaxFaults":     {"100", plain.MaxFaults, 100},
		"Settings.Window":        {"100", plain.Window, 100},
		"Settings.Recorder":      {none, plain.Recorder, nil},
		"Settings.Src":           {none, nil, nil},
		"Settings.Evaluate":      {"none", plain.Evaluate, (*EvaluateSettings)(nil)},
		"Settings.EvaluateEvery": {"100", held.EvaluateEvery, 100},

		"EvaluateSettings.Samples": {"10 000", []int{evaluated.Samples, held.Evaluate.Samples}, []int{10000, 10000}},
		"EvaluateSettings.Batch":   {"500", held.Evaluate.Batch, 500},
		"EvaluateSettings.Images":  {"all", must(newImages(m, held.Evaluate.Images)), (*images)(nil)},
		"EvaluateSettings.Src":     {none, nil, nil},
		"EvaluateSettings.Data":    {"none", held.Evaluate.Data, nil},
		"EvaluateSettings.DataSamples": {"else Samples", []int{
			fromData(&numberedData{}).DataSamples, fromData(&DataRows{X: randn(1, 9, 4)}).DataSamples}, []int{10000, 9}},

		"Plateau.Factor":         {"½", plateau.Factor, 0.5},
		"Plateau.Patience":       {"Settings.Window", plateau.Patience, 37},
		"Plateau.MinImprovement": {"any", plateau.MinImprovement, 0.0},
		"Plateau.MinFactor":      {"1e-6", plateau.MinFactor, 1e-6},

		"NetworkSettings.Size":         {"2", network(&bijector.NetworkSettings{Size: 2}), network(nil)},
		"NetworkSettings.Depth":        {"as many", network(&bijector.NetworkSettings{Depth: 3}), network(nil)},
		"NetworkSettings.Repeat":       {"1", network(&bijector.NetworkSettings{Repeat: 1}), network(nil)},
		"NetworkSettings.Join":         {none, nil, nil},
		"NetworkSettings.ContextBlock": {none, nil, nil},

		"RealNVPSettings.Couplings": {"10", affine.Couplings, 10},
		"RealNVPSettings.Hidden":    {"10, 10, 10", affine.Hidden, []int{10, 10, 10}},
		"RealNVPSettings.Keep":      {none, nil, nil},
		"RealNVPSettings.Src":       {none, nil, nil},
		"SplineSettings.Couplings":  {"4", spline.Couplings, 4},
		"SplineSettings.Hidden":     {"10, 10, 10", spline.Hidden, []int{10, 10, 10}},
		"SplineSettings.Bins":       {"8", spline.Bins, 8},
		"SplineSettings.Bound":      {"6", spline.Bound, 6.0},
		"SplineSettings.Pure":       {none, nil, nil},
		"SplineSettings.Keep":       {"drawn like those of a RealNVP", len(spline.Keep), 4},
		"SplineSettings.Src":        {none, nil, nil},

		"Recipe.Couplings":             {"that of its bijector", []int{couplings(false), couplings(true)}, []int{defaultCouplings(false), defaultCouplings(true)}},
		"Recipe.Hidden":                {none, nil, nil},
		"Recipe.Spline":                {none, nil, nil},
		"Recipe.Network":               {none, nil, nil},
		"Recipe.ConditionalDecimators": {none, nil, nil},
		"Recipe.Whiten":                {none, nil, nil},
		"Recipe.PathGradient":          {none, recipe(10).PathGradient, false},
		"Recipe.Anneal":                {"1", must(recipe(10).Anneal.at(1)), 1.0},
		"Recipe.LearnRate":             {"5e-3", recipe(10).LearnRate, 5e-3},
		"Recipe.Warmup": {"50 or a tenth of all",
			[]bool{recipe(1000).Schedule(49) < 1, recipe(1000).Schedule(50) == 1, recipe(100).Schedule(9) < 1, recipe(100).Schedule(10) == 1},
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
		case c.says != none && !strings.Contains(text, c.says+" by default") && !strings.Contains(text, "by default "+c.says):
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

// defaultCouplings is the number of couplings of a block made without settings.
func defaultCouplings(spline bool) int {
	src := rand.NewPCG(1, 1)
	if spline {
		return len(must(bijector.NewSpline(2, &bijector.SplineSettings{Src: src})).Couplings())
	}
	return len(must(bijector.NewRealNVP(2, &bijector.RealNVPSettings{Src: src})).Couplings())
}
