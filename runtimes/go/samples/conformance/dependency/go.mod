module example.com/conformance

go 1.19

require example.com/letters v1.0.0
