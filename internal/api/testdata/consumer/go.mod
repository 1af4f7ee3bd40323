module consumer

go 1.26.0

replace github.com/neuralrg/neuralrg => ../../../..
