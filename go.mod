module github.com/bulkhead-dev/bulkhead

go 1.26
