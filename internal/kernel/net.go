package kernel

// Net is the shape of a multilayer perceptron: ELU hidden layers and linear
// outputs. Its parameters are one flat slice, layer by layer: the weights
// (out, in) row-major, then the biases.
type Net struct {
	sizes   []int // inputs, units of every hidden layer, outputs
	params  int   // number of parameters
	acts    int   // number of activations of a tile: outputs of all layers, Lanes rows
	wide    int   // largest of sizes
	weights int   // number of weights of the largest layer
}

// NewNet returns the net with the given numbers of inputs, hidden units per
// layer (none for a linear map) and outputs, all positive.
func NewNet(in int, hidden []int, out int) Net {
	n := Net{sizes: append(append([]int{in}, hidden...), out), wide: in}
	for k := 1; k < len(n.sizes); k++ {
		n.params += n.sizes[k] * (n.sizes[k-1] + 1)
		n.acts += n.sizes[k] * Lanes
		n.wide = max(n.wide, n.sizes[k])
		n.weights = max(n.weights, n.sizes[k]*n.sizes[k-1])
	}
	return n
}

// Params is the number of parameters.
func (n Net) Params() int { return n.params }

// Layers is the number of dense layers.
func (n Net) Layers() int { return len(n.sizes) - 1 }

// Layer returns the weights (out, in) and biases of dense layer k as parts of
// the parameter slice w.
func (n Net) Layer(w []float64, k int) (weights, biases []float64) {
	at := 0
	for i := 0; ; i++ {
		nw, nb := n.sizes[i]*n.sizes[i+1], n.sizes[i+1]
		if i == k {
			return w[at : at+nw : at+nw], w[at+nw : at+nw+nb : at+nw+nb]
		}
		at += nw + nb
	}
}

// scratch is the length of the scratch space that netBack needs.
func (n Net) scratch() int {
	w := n.wide
	return 2*w*Lanes + max(n.weights, partials(w, w))
}

// netRun evaluates the net on a tile x and returns the outputs. They are the last
// part of act, which receives the activations that netBack needs.
func netRun[T Float](n Net, w, x, act []T) []T {
	last := len(n.sizes) - 1
	for k := 1; k <= last; k++ {
		ni, no := n.sizes[k-1], n.sizes[k]
		if k < last {
			denseELU(act, w, w[no*ni:], x, no, ni)
		} else {
			dense(act, w, w[no*ni:], x, no, ni)
		}
		x, act, w = act[:no*Lanes], act[no*Lanes:], w[no*(ni+1):]
	}
	return x
}

// netBack takes the gradient dout of the outputs back through the net. It adds
// the gradient of the inputs to dx and, unless dw is nil, that of the parameters
// to dw. x and act are those of netRun. dout is destroyed.
func netBack[T Float](n Net, dw, dx, w, x, act, dout, scratch []T) {
	width := n.wide * Lanes
	d, next, rest := dout, scratch[:width], scratch[2*width:]
	spare := scratch[width : 2*width]
	wEnd, aEnd := n.Params(), n.acts
	for k := len(n.sizes) - 1; k >= 1; k-- {
		ni, no := n.sizes[k-1], n.sizes[k]
		wAt := wEnd - no*(ni+1)
		aAt := aEnd - no*Lanes
		in, slope := x, []T(nil)
		if k > 1 {
			in = act[aAt-ni*Lanes : aAt]
			slope = in
		}
		if dw != nil {
			denseGrad(dw[wAt:], d, in, rest, no, ni)
		}
		denseBack(next, w[wAt:], d, slope, rest, no, ni)
		wEnd, aEnd = wAt, aAt
		d, next, spare = next, spare, next
	}
	add(dx, d[:n.sizes[0]*Lanes])
}

// netTangent sets out to the derivative of the outputs with respect to input i.
// act is that of netRun. ones is the value 1 for every row. scratch is 2·n.wide
// values of every row.
func netTangent[T Float](n Net, out, w, act, ones []T, i int, scratch []T) {
	in, next := scratch[:n.wide*Lanes], scratch[n.wide*Lanes:]
	d := ones
	for k, last := 1, len(n.sizes)-1; k <= last; k++ {
		ni, no := n.sizes[k-1], n.sizes[k]
		to, a := next, act[:no*Lanes]
		if k == last {
			to, a = out, nil
		}
		if k == 1 { // the derivative of the inputs is a unit vector
			denseTangent(to, w[i:], d, a, no, 1, ni)
		} else {
			denseTangent(to, w, d, a, no, ni, ni)
		}
		d, in, next = to, next, in
		w, act = w[no*(ni+1):], act[no*Lanes:]
	}
}
