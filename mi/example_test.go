package mi

import (
	"context"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
)

func ExampleEstimate() {
	ctx := context.Background()
	x, y := normals(2000, 1, 1, 0.6, 1) // correlation 0.6
	v, err := Estimate(ctx, x, y, nil)
	if err != nil {
		panic(err)
	}
	stdErr, err := StdErr(ctx, x, y, 10, nil)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%.2f ± %.2f nats, exact %.2f\n", v, stdErr, -0.5*math.Log(1-0.36))
	// Output: 0.27 ± 0.02 nats, exact 0.22
}

func ExampleGaussian() {
	v, err := Gaussian(mat.NewSymDense(2, []float64{1, 0.6, 0.6, 1}))
	fmt.Printf("%.4f %v\n", v, err)
	// Output: 0.2231 <nil>
}
