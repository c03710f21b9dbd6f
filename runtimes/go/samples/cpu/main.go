// Work for the processor: counts the primes below n, so that limits and timings can be seen.
package main

// Input is what the caller sends: {"n": 100000}.
type Input struct {
	N int `json:"n"`
}

// Output is what the caller gets.
type Output struct {
	Below  int `json:"below"`
	Primes int `json:"primes"`
}

// Main sieves.
func Main(input Input) (Output, error) {
	if input.N == 0 {
		input.N = 100000
	}
	composite := make([]bool, input.N+1)
	result := Output{Below: input.N}
	for number := 2; number < input.N; number++ {
		if composite[number] {
			continue
		}
		result.Primes++
		for multiple := number * number; multiple <= input.N; multiple += number {
			composite[multiple] = true
		}
	}
	return result, nil
}
