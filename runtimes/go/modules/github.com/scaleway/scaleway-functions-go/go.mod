module github.com/scaleway/scaleway-functions-go

go 1.17
