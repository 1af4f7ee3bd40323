package flow_test

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

// A short run chooses the recipe for a target. Without trials it finds the symmetries and the
// size of the field, and takes the recipe that is most likely the best.
func ExampleNewPilot() {
	phi4 := must(target.NewPhi4([]int{4, 4}, &target.Phi4Settings{Mass2: -4, Lambda: 6.975}))
	src := rand.NewPCG(1, 2)
	pilot := must(flow.NewPilot(context.Background(), phi4, &flow.PilotSettings{Steps: -1, Src: src}))
	model := must(pilot.Model(src))
	settings := pilot.Settings(model, 1000, src)
	fmt.Printf("%d symmetries, %d images\n", len(model.Symmetries()), settings.Images)
	fmt.Println("exact odd sites:", pilot.Recipe.Exact != nil)
	fmt.Printf("the field has the size %.1f\n", pilot.Field.RMS)
	// Output:
	// 256 symmetries, 4 images
	// exact odd sites: true
	// the field has the size 0.4
}
