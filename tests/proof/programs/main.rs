fn main() {
    println!("{:?}", std::fs::read("closed/text"));
}
