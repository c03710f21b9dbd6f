module hob

go 1.19

require (
	github.com/nuclio/logger v0.0.0
	github.com/nuclio/nuclio-sdk-go v0.0.0
)

replace (
	github.com/nuclio/logger => ./modules/github.com/nuclio/logger
	github.com/nuclio/nuclio-sdk-go => ./modules/github.com/nuclio/nuclio-sdk-go
)
