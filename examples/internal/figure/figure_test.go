package figure

import (
	"image/color"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Marks are at round numbers, four to nine of them.
func TestTicks(t *testing.T) {
	for _, c := range []struct {
		low, high float64
		want      string
	}{
		{1, 120, "20 40 60 80 100 120"},
		{0, 1200, "0 200 400 600 800 1000 1200"},
		{-37.4, -35.1, "−37.0 −36.5 −36.0 −35.5"},
		{-0.0021, 0.0019, "−0.002 −0.001 0.000 0.001"},
		{-7.3, 7.3, "−6 −4 −2 0 2 4 6"},
		{-0.5, 255.5, "0 50 100 150 200 250"},
		{0, 0.53, "0.0 0.1 0.2 0.3 0.4 0.5"},
		{3, 3, "3"},
	} {
		var labels []string
		for _, tick := range (Ticks{}).Ticks(c.low, c.high) {
			if tick.Value < c.low-1e-9 || tick.Value > c.high+1e-9 {
				t.Errorf("%v to %v: mark at %v", c.low, c.high, tick.Value)
			}
			if tick.Label != "" {
				labels = append(labels, tick.Label)
			}
		}
		if got := strings.Join(labels, " "); got != c.want {
			t.Errorf("%v to %v: %s, want %s", c.low, c.high, got, c.want)
		}
	}
}

// Cells are squares of whole pixels, and all of one colour.
func TestSquare(t *testing.T) {
	for _, n := range []int{4, 7, 16, 50} {
		values := make([]float64, n*n)
		for i := range values {
			values[i] = float64((i/n+i%n)%2*2 - 1)
		}
		colours := Diverging(1)
		img := NewCanvas(4*vg.Inch, 3*vg.Inch)
		p := plot.New()
		p.X.Label.Text = "site"
		p.Add(Map{Lattice{values, n}, colours})
		DrawSquare(Part(draw.New(img), 7, 250, 3, 200), p, n, n)
		blue, _ := colours.At(-1)
		red, _ := colours.At(1)
		count := map[color.Color]int{}
		var columns, rows []int
		picture := img.Image()
		for y := range picture.Bounds().Dy() {
			for x := range picture.Bounds().Dx() {
				for _, c := range []color.Color{blue, red} {
					if near(picture.At(x, y), c) {
						count[c]++
						columns, rows = append(columns, x), append(rows, y)
					}
				}
			}
		}
		width, height := slices.Max(columns)-slices.Min(columns)+1, slices.Max(rows)-slices.Min(rows)+1
		cell := width / n
		odd := math.Abs(float64(count[blue]-count[red])) == float64(n%2*cell*cell) // one cell more, if n is odd
		if width != height || width%n != 0 || !odd || count[blue]+count[red] != width*height {
			t.Errorf("%d×%d cells: %d×%d pixels, %d of one colour and %d of the other",
				n, n, width, height, count[blue], count[red])
		}
	}
}

func near(a, b color.Color) bool {
	r, g, bl, _ := a.RGBA()
	s, h, bm, _ := b.RGBA()
	d := func(x, y uint32) bool { return math.Abs(float64(x)-float64(y)) < 600 }
	return d(r, s) && d(g, h) && d(bl, bm)
}

// The scale of colours is framed, and nothing of it is cut off at the right.
func TestBar(t *testing.T) {
	img := NewCanvas(1*vg.Inch, 3*vg.Inch)
	Bar(Part(draw.New(img), 0, vg.Inch, 10, 200), Diverging(2), "field")
	picture := img.Image()
	width := picture.Bounds().Dx()
	middle := picture.Bounds().Dy() / 2
	last := 0
	for x := range width {
		if r, _, _, _ := picture.At(x, middle).RGBA(); r < 0xffff {
			last = x
		}
	}
	if last > width-15 || last < width-40 {
		t.Errorf("the last pixel with colour is %d of %d", last, width)
	}
	if r, _, _, _ := picture.At(last-1, middle).RGBA(); r > 0xb000 {
		t.Errorf("no frame")
	}
	if err := Write(img, filepath.Join(t.TempDir(), "no", "such")); err == nil {
		t.Error("no directory: no error")
	}
}
