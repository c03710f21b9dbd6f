// The templates of `hob init`, by runtime: a table, so that the program has them with it and no build step is needed.
// A test (src/cli/templates.rs) compares it with the folders and with each runtime's other names.
&[
    Runtime {
        family: "go",
        aliases: &["golang"],
        templates: &[
            Template {
                name: "hello",
                about: "A function that greets",
                files: &[
                    ("hob.toml", include_str!("go/templates/hello/hob.toml")),
                    ("main.go", include_str!("go/templates/hello/main.go")),
                ],
            },
            Template {
                name: "http",
                about: "A function that answers HTTP requests",
                files: &[
                    ("hob.toml", include_str!("go/templates/http/hob.toml")),
                    ("main.go", include_str!("go/templates/http/main.go")),
                ],
            },
            Template {
                name: "cron",
                about: "A function that runs every hour",
                files: &[
                    ("hob.toml", include_str!("go/templates/cron/hob.toml")),
                    ("main.go", include_str!("go/templates/cron/main.go")),
                ],
            },
            Template {
                name: "dependencies",
                about: "A function with a library that is installed for it",
                files: &[
                    ("go.mod", include_str!("go/templates/dependencies/go.mod")),
                    ("go.sum", include_str!("go/templates/dependencies/go.sum")),
                    ("hob.toml", include_str!("go/templates/dependencies/hob.toml")),
                    ("main.go", include_str!("go/templates/dependencies/main.go")),
                ],
            },
        ],
    },
    Runtime {
        family: "nodejs",
        aliases: &["node", "js"],
        templates: &[
            Template {
                name: "hello",
                about: "A function that greets",
                files: &[
                    ("hob.toml", include_str!("nodejs/templates/hello/hob.toml")),
                    ("main.js", include_str!("nodejs/templates/hello/main.js")),
                ],
            },
            Template {
                name: "http",
                about: "A function that answers HTTP requests",
                files: &[
                    ("hob.toml", include_str!("nodejs/templates/http/hob.toml")),
                    ("main.js", include_str!("nodejs/templates/http/main.js")),
                ],
            },
            Template {
                name: "cron",
                about: "A function that runs every hour",
                files: &[
                    ("hob.toml", include_str!("nodejs/templates/cron/hob.toml")),
                    ("main.js", include_str!("nodejs/templates/cron/main.js")),
                ],
            },
            Template {
                name: "dependencies",
                about: "A function with a library that is installed for it",
                files: &[
                    ("hob.toml", include_str!("nodejs/templates/dependencies/hob.toml")),
                    ("main.js", include_str!("nodejs/templates/dependencies/main.js")),
                    ("package.json", include_str!("nodejs/templates/dependencies/package.json")),
                ],
            },
        ],
    },
    Runtime {
        family: "python",
        aliases: &["python3", "py"],
        templates: &[
            Template {
                name: "hello",
                about: "A function that greets",
                files: &[
                    ("hob.toml", include_str!("python/templates/hello/hob.toml")),
                    ("main.py", include_str!("python/templates/hello/main.py")),
                ],
            },
            Template {
                name: "http",
                about: "A function that answers HTTP requests",
                files: &[
                    ("hob.toml", include_str!("python/templates/http/hob.toml")),
                    ("main.py", include_str!("python/templates/http/main.py")),
                ],
            },
            Template {
                name: "cron",
                about: "A function that runs every hour",
                files: &[
                    ("hob.toml", include_str!("python/templates/cron/hob.toml")),
                    ("main.py", include_str!("python/templates/cron/main.py")),
                ],
            },
            Template {
                name: "dependencies",
                about: "A function with a library that is installed for it",
                files: &[
                    ("hob.toml", include_str!("python/templates/dependencies/hob.toml")),
                    ("main.py", include_str!("python/templates/dependencies/main.py")),
                    ("requirements.txt", include_str!("python/templates/dependencies/requirements.txt")),
                ],
            },
        ],
    },
    Runtime {
        family: "shell",
        aliases: &["sh", "bash"],
        templates: &[
            Template {
                name: "hello",
                about: "A function that greets",
                files: &[
                    ("hob.toml", include_str!("shell/templates/hello/hob.toml")),
                    ("main.sh", include_str!("shell/templates/hello/main.sh")),
                ],
            },
            Template {
                name: "http",
                about: "A function that answers HTTP requests",
                files: &[
                    ("hob.toml", include_str!("shell/templates/http/hob.toml")),
                    ("main.sh", include_str!("shell/templates/http/main.sh")),
                ],
            },
            Template {
                name: "cron",
                about: "A function that runs every hour",
                files: &[
                    ("hob.toml", include_str!("shell/templates/cron/hob.toml")),
                    ("main.sh", include_str!("shell/templates/cron/main.sh")),
                ],
            },
        ],
    },
]
