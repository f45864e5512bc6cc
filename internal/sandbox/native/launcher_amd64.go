package native

const defaultLauncher = "program"
