package main

import (
	"math"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Coefficients of sin r = r·Σ s[n]·r²ⁿ and cos r = Σ c[n]·r²ⁿ for |r| ≤ π/2, by
// interpolation at Chebyshev points of r². The largest errors are 7e-9 and 2e-10 in
// float32, and 3e-19 and 6e-21 in float64.
var (
	sines32 = []float64{
		0.9999999956945402335151,
		-0.1666665794093739882964,
		0.008333050002869744204981,
		-0.0001980900472482457575028,
		2.605078280280485470007e-06,
	}
	cosines32 = []float64{
		0.9999999997788906469509,
		-0.4999999935479826906892,
		0.04166663613555196543636,
		-0.001388835997114609569283,
		2.476009335932656302455e-05,
		-2.605036377907135624644e-07,
	}
	sines64 = []float64{
		1,
		-0.1666666666666666574148,
		0.00833333333333318576619,
		-0.0001984126984120860280342,
		2.755731921121690894757e-06,
		-2.505210688938056687987e-08,
		1.605894081717238637194e-10,
		-7.643024919877682538794e-13,
		2.721557241954111503225e-15,
	}
	cosines64 = []float64{
		1,
		-0.5,
		0.04166666666666665741481,
		-0.001388888888888852946382,
		2.480158730149252874339e-05,
		-2.755731920964020476186e-07,
		2.087675566552799952629e-09,
		-1.147067012040045584774e-11,
		4.776871217635940961155e-14,
		-1.51197294859654511177e-16,
	}
)

// angle writes the sine and cosine of n angles from −π to π. With x = kπ + r, where
// k is the nearest integer, they are those of r times (−1)^k.
func (e *emitter) angle() {
	e.begin("sincos", "sin, cos *T, n int",
		"replaces n angles at cos by their cosines and stores their sines; n is a multiple of Lanes.")
	sin, cos := e.arg("sin"), e.arg("cos")
	sines, cosines, fraction := sines32, cosines32, 23
	rest := math.Pi - float64(float32(math.Pi)) // what π is more than its rounded value
	if e.size == 8 {
		sines, cosines, fraction, rest = sines64, cosines64, 52, 1.2246467991473532e-16
	}
	magic := e.held(e.number(1.5 * math.Ldexp(1, fraction)))
	e.sweep(cos, 1, func() {
		r, sign, k := e.vec(), e.vec(), e.vec()
		e.load(at(cos, 0), r)
		e.move(magic, sign)
		e.op("VFMADD231P", e.number(1/math.Pi), r, sign)
		e.op("VSUBP", magic, sign, k)
		e.intOp("VPSLL", imm8(8*e.size-1), sign, sign) // (−1)^k
		e.op("VFNMADD231P", e.number(math.Pi), k, r)
		e.op("VFNMADD231P", e.number(rest), k, r)
		r2 := e.vec()
		e.op("VMULP", r, r, r2)
		s, c := e.series(sines, r2), e.series(cosines, r2)
		e.op("VMULP", r, s, s)
		for _, v := range []struct {
			value reg.VecVirtual
			to    reg.Register
		}{{s, sin}, {c, cos}} {
			e.bitOp("VPXOR", sign, v.value, v.value)
			e.store(v.value, at(v.to, 0))
		}
		e.ADDQ(imm(e.width), sin)
	})
	e.end()
}

// series is the polynomial of the given coefficients.
func (e *emitter) series(p []float64, x operand.Op) reg.VecVirtual {
	last := len(p) - 1
	v := e.inRegister(e.number(p[last]))
	for n := last - 1; n >= 0; n-- {
		e.op("VFMADD213P", e.number(p[n]), x, v)
	}
	return v
}
