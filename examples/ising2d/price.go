package main

import "github.com/neuralrg/neuralrg/examples/internal/memory"

// batchOfSamples is the number of samples drawn at a time for judging the flow.
const batchOfSamples = 500

// price checks that a run will need no more than -memory, before anything is
// allocated.
func (o *options) price() error {
	params, layers := memory.Network{
		L: o.L, Size: o.size, Repeat: o.repeat, Couplings: o.couplings, Hidden: o.hidden,
		Spline: o.spline, Rational: o.rational, Conditional: o.conditional, Checkerboard: o.checkerboard,
	}.Cost()
	sites := float64(o.L) * float64(o.L)
	images := 1.0
	if o.symmetric {
		images *= 2
	}
	if o.reflect {
		images *= 8
	}
	if o.translate {
		images *= sites
	}
	if o.images > 0 {
		images = min(images, float64(o.images))
	}
	steps, chains, sweeps := float64(o.steps), float64(o.chains), float64(o.sweeps)+float64(o.physical)
	if o.every > 0 {
		sweeps += steps / float64(o.every) * float64(o.between)
	}
	if o.measure > 0 {
		sweeps += 1e4 // at most
	}
	annealed := 32 + 8*sites
	if o.comm != nil {
		annealed += 8 * sites // the samples of this rank, besides those of all
	}
	return memory.Check(o.memory,
		memory.Part{What: "the parameters (-couplings, -hidden, -size, -repeat)", Bytes: memory.Params(params)},
		memory.Part{What: "a batch (-batch, -L, -images)", Bytes: memory.Rows(float64(o.batch)*images, sites, layers)},
		memory.Part{What: "judging the flow (-L)", Bytes: 4 * memory.Rows(batchOfSamples, sites, 0)},
		memory.Part{What: "the weights (-samples)", Bytes: 32 * float64(o.samples)},
		memory.Part{What: "the annealed samples (-ais, -L)", Bytes: float64(o.ais) * annealed},
		memory.Part{What: "the chains (-chains, -L)", Bytes: 2 * memory.Rows(chains, sites, layers)},
		memory.Part{What: "m² of every chain and sweep (-chains, -sweeps, -physical)", Bytes: 32 * chains * sweeps},
		memory.Part{What: "the loss of every step (-steps)", Bytes: 200 * steps},
	)
}
