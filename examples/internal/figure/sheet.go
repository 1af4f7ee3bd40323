package figure

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Sheet draws the rows of x, configurations of l × l sites, with a colour bar. There are as many
// in a row of the figure as across says.
func Sheet(x *mat.Dense, l, across int, title, name string) error {
	s := sheet{x, l, across}
	values := x.RawMatrix().Data
	colours := Diverging(max(slices.Max(values), -slices.Min(values)))
	field := New(title, "", "")
	field.HideAxes()
	field.Add(Map{Grid: s, Colours: colours})
	const width, scale = 8 * vg.Inch, 0.9 * vg.Inch
	columns, rows := s.Dims()
	height := (width-scale)*vg.Length(rows)/vg.Length(columns) + 0.6*vg.Inch
	img := NewCanvas(width, height)
	c := draw.New(img)
	DrawSquare(Part(c, 8, width-scale, 8, height-8), field, columns, rows)
	Bar(Part(c, width-scale, width, 12, height-28), colours, "field x")
	return Write(img, name)
}

// sheet lays configurations out on a grid, with a gap of one site between them.
type sheet struct {
	x         *mat.Dense
	l, across int
}

func (s sheet) Dims() (c, r int) {
	rows, _ := s.x.Dims()
	return s.across*(s.l+1) - 1, (rows+s.across-1)/s.across*(s.l+1) - 1
}

func (s sheet) X(c int) float64 { return float64(c) }
func (s sheet) Y(r int) float64 { return float64(r) }

// Z is NaN between the configurations and behind the last one.
func (s sheet) Z(c, r int) float64 {
	i, j := r%(s.l+1), c%(s.l+1)
	k := r/(s.l+1)*s.across + c/(s.l+1)
	if rows, _ := s.x.Dims(); i == s.l || j == s.l || k >= rows {
		return math.NaN()
	}
	return s.x.At(k, i*s.l+j)
}
