package figure

import (
	"math"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
)

// Ticks marks an axis at multiples of 1, 2 or 5 times a power of ten, four to
// nine of them.
type Ticks struct{}

// Ticks meets plot.Ticker.
func (Ticks) Ticks(low, high float64) []plot.Tick {
	if !(high > low) || math.IsInf(high-low, 1) {
		return []plot.Tick{{Value: low, Label: strconv.FormatFloat(low, 'g', 6, 64)}}
	}
	power := math.Floor(math.Log10((high - low) / 4))
	unit := math.Pow(10, power)
	major, parts := unit, 5.0
	for _, m := range []float64{2, 5} {
		if m*unit <= (high-low)/4 {
			major, parts = m*unit, map[float64]float64{2: 4, 5: 5}[m]
		}
	}
	digits := int(max(0, -power))
	var ticks []plot.Tick
	const tiny = 1e-9
	for k := math.Ceil(low/major*parts - tiny); k <= high/major*parts+tiny; k++ {
		t := plot.Tick{Value: k * major / parts}
		if math.Mod(k, parts) == 0 {
			t.Label = minus(strconv.FormatFloat(t.Value, 'f', digits, 64))
		}
		ticks = append(ticks, t)
	}
	return ticks
}

// minus writes a number with a minus sign, and zero with none.
func minus(s string) string {
	if strings.Trim(s, "-0.") == "" {
		return strings.TrimPrefix(s, "-")
	}
	return strings.Replace(s, "-", "−", 1)
}

// Decades marks an axis of decimal logarithms with the numbers themselves: 1, 2
// and 5 times powers of ten, more of them if there are few.
type Decades struct{}

// Ticks meets plot.Ticker.
func (Decades) Ticks(low, high float64) []plot.Tick {
	var ticks []plot.Tick
	for e := math.Floor(low); e <= high; e++ {
		for m := 1; m < 10; m++ {
			v := e + math.Log10(float64(m))
			if v < low || v > high {
				continue
			}
			t := plot.Tick{Value: v}
			if m == 1 || m == 2 || m == 5 || high < low+1 {
				t.Label = strconv.FormatFloat(math.Pow(10, v), 'g', 1, 64)
			}
			ticks = append(ticks, t)
		}
	}
	return ticks
}
