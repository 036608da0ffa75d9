using System.Text.Json;
using Xunit;

namespace KFac.Cli.Tests;

public sealed class TrainCommandTests : IDisposable
{
    private readonly CommandLine _cli = new();

    public void Dispose() => _cli.Dispose();

    [Fact]
    public void Prints_the_documented_keys()
    {
        JsonElement result = Train("mnist-mlp", "--hidden", "8", "--steps", "3", "--seed", "7");
        Assert.Equal(
            ["workload", "device", "optimizer", "approximation", "seed", "steps", "epochs", "seconds", "samplesPerSecond", "events", "metrics"],
            result.EnumerateObject().Select(static property => property.Name));
        Assert.Equal("mnist-mlp", result.GetProperty("workload").GetString());
        Assert.Equal("cpu", result.GetProperty("device").GetString());
        Assert.Equal("kfac", result.GetProperty("optimizer").GetString());
        Assert.Equal("expand", result.GetProperty("approximation").GetString());
        Assert.Equal(7, result.GetProperty("seed").GetInt32());
        Assert.Equal(3, result.GetProperty("steps").GetInt32());
        Assert.Equal(JsonValueKind.Array, result.GetProperty("events").ValueKind);
        Assert.Equal(
            ["trainAccuracy", "trainLoss", "validationAccuracy", "validationLoss"],
            result.GetProperty("metrics").EnumerateObject().Select(static property => property.Name).Order());
    }

    [Fact]
    public void The_approximation_of_a_first_order_optimizer_is_null() => Assert.Equal(
        JsonValueKind.Null,
        Train("mnist-mlp", "--hidden", "8", "--steps", "1", "--optimizer", "adamw").GetProperty("approximation").ValueKind);

    [Fact]
    public void Forward_only_curvature_and_several_samples_are_trained_with()
    {
        string[] small = ["mnist-mlp", "--hidden", "8", "--steps", "5", "--inverse-interval", "4"];
        JsonElement foof = Train([.. small, "--optimizer", "foof", "--approx", "reduce", "--updates-before-inversion", "2"]);
        Assert.Equal("reduce", foof.GetProperty("approximation").GetString());
        Assert.NotEqual(Loss(foof), Loss(Train([.. small, "--optimizer", "foof"])));
        Assert.NotEqual(Loss(Train([.. small, "--samples", "3"])), Loss(Train(small)));

        static double Loss(JsonElement result) => result.GetProperty("metrics").GetProperty("trainLoss").GetDouble();
    }

    [Fact]
    public void An_autoencoder_reports_squared_error()
    {
        JsonElement metrics = Train("mnist-autoencoder", "--hidden", "8,3", "--batch", "50", "--steps", "2", "--approx", "reduce").GetProperty("metrics");
        Assert.Equal(
            ["trainLoss", "trainSquaredError", "validationLoss", "validationSquaredError"],
            metrics.EnumerateObject().Select(static property => property.Name).Order());
    }

    [Fact]
    public void A_run_starts_where_exported_weights_end()
    {
        string[] small = ["mnist-mlp", "--hidden", "8", "--steps", "3"];
        JsonElement first = Train([.. small, "--export", "@w.safetensors"]).GetProperty("metrics");
        Train([.. small, "--init", "@w.safetensors", "--log", "@log.jsonl"]);
        JsonElement start = JsonDocument.Parse(File.ReadLines(_cli["log.jsonl"]).First()).RootElement;
        Assert.Equal(first.GetProperty("validationLoss").GetDouble(), start.GetProperty("validationLoss").GetDouble());
    }

    [Fact]
    public void A_summary_counts_parameters_and_bytes()
    {
        JsonElement summary = Train("mnist-mlp", "--hidden", "8", "--batch", "10", "--summary");
        Assert.Equal((784 * 8) + (8 * 10), summary.GetProperty("parameters").GetInt64());
        Assert.Equal(["layer1", "layer2"], summary.GetProperty("layers").EnumerateArray().Select(static layer => layer.GetProperty("name").GetString()));
        long elements = (784 * 784) + (8 * 8) + (8 * 8) + (10 * 10);
        Assert.Equal(4 * elements, summary.GetProperty("factorBytes").GetInt64());
        Assert.Equal(4 * elements, summary.GetProperty("inverseBytes").GetInt64());
        Assert.InRange(summary.GetProperty("stepBytes").GetInt64(), 4 * 10 * (8 + 8 + 10), 20_000);
    }

    [Fact]
    public void Two_runs_give_the_same_metrics()
    {
        string[] arguments = ["mnist-mlp", "--hidden", "8", "--steps", "5", "--seed", "3"];
        Assert.Equal(Train(arguments).GetProperty("metrics").GetRawText(), Train(arguments).GetProperty("metrics").GetRawText());
    }

    [Fact]
    public void Logs_a_line_per_evaluation_and_draws_a_plot()
    {
        JsonElement result = Train(
            "mnist-mlp", "--hidden", "8", "--steps", "5", "--evaluate-every", "2", "--log", "@log.jsonl", "--plot", "@plot.svg");
        JsonElement[] lines = [.. File.ReadLines(_cli["log.jsonl"]).Select(static line => JsonDocument.Parse(line).RootElement)];
        Assert.Equal([0, 2, 4, 5], lines.Select(static line => line.GetProperty("step").GetInt32()));
        Assert.Equal(
            ["step", "trainLoss", "trainAccuracy", "validationLoss", "validationAccuracy"],
            lines[0].EnumerateObject().Select(static property => property.Name));
        Assert.Equal(
            result.GetProperty("metrics").GetProperty("validationLoss").GetDouble(), lines[^1].GetProperty("validationLoss").GetDouble());
        Assert.StartsWith("<svg", File.ReadAllText(_cli["plot.svg"]), StringComparison.Ordinal);
    }

    [Fact]
    public void Speaks_to_people()
    {
        CommandResult result = _cli.Run("train", "mnist-mlp", "--hidden", "8", "--steps", "2", "--optimizer", "sgd");
        Assert.Equal(0, result.ExitCode);
        Assert.Contains("validationAccuracy", result.Output, StringComparison.Ordinal);
        Assert.Contains("(made glyphs) to train", result.Error, StringComparison.Ordinal);
        Assert.Contains("step 2/2", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void An_interrupt_stops_with_a_checkpoint_and_resume_goes_on()
    {
        string[] arguments = ["train", "mnist-mlp", "--hidden", "8", "--steps", "4", "--json"];
        CommandResult stopped = _cli.Run(new CancellationToken(canceled: true), [.. arguments, "--checkpoint", "@run"]);
        Assert.Equal(1, stopped.ExitCode);
        Assert.Equal(string.Empty, stopped.Output);
        Assert.Contains("kfac train: stopped at step 0; the checkpoint is in", stopped.Error, StringComparison.Ordinal);
        CommandResult resumed = _cli.Run([.. arguments, "--checkpoint", "@run", "--resume"]);
        Assert.Equal(0, resumed.ExitCode);
        Assert.Equal(MetricsOf(_cli.Run(arguments)), MetricsOf(resumed));
    }

    [Fact]
    public void Parameters_without_Kronecker_structure_follow_the_workloads_rule_unless_told_otherwise()
    {
        string[] arguments = ["copy-transformer", "--batch", "4", "--steps", "2", "--evaluate-train", "4"];
        double usual = Loss([]);
        Assert.Equal(usual, Loss(["--other-parameters", "diagonal"]));
        Assert.NotEqual(usual, Loss(["--other-parameters", "first-order"]));

        double Loss(string[] more) => Train([.. arguments, .. more]).GetProperty("metrics").GetProperty("validationLoss").GetDouble();
    }

    [Fact]
    public void A_target_that_is_missed_is_a_failure()
    {
        CommandResult result = _cli.Run("train", "mnist-mlp", "--hidden", "8", "--steps", "1", "--target", "validationAccuracy=1", "--json");
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("validationAccuracy=1 was not reached in 1 steps; it ended at 0.", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_run_that_diverges_names_the_step()
    {
        CommandResult result = _cli.Run("train", "mnist-mlp", "--hidden", "8", "--steps", "9", "--optimizer", "sgd", "--learning-rate", "1e20");
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("kfac train: The training loss is", result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", result.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("There is no workload 'mnist'; wanted one of mnist-mlp, mnist-autoencoder,", "mnist")]
    [InlineData("--steps is '0'; wanted a whole number, at least 1", "mnist-mlp", "--steps", "0")]
    [InlineData("--optimizer is 'adam'; wanted kfac, foof, sgd, nesterov, adamw or nadamw", "mnist-mlp", "--optimizer", "adam")]
    [InlineData("--learning-rate is 'NaN'; wanted a finite number above 0", "mnist-mlp", "--learning-rate", "NaN")]
    [InlineData("--damping is '-1'; wanted a finite number, at least 0", "mnist-mlp", "--damping=-1")]
    [InlineData("--momentum is '1'; wanted at least 0 and less than 1", "mnist-mlp", "--momentum", "1")]
    [InlineData("--hidden is '8,x'; wanted whole numbers", "mnist-mlp", "--hidden", "8,x")]
    [InlineData("Hidden widths are [8, 0]", "mnist-mlp", "--hidden", "8,0")]
    [InlineData("The target is 'loss'; wanted METRIC=VALUE", "mnist-mlp", "--target", "loss")]
    [InlineData("The target names 'loss'; mnist-mlp has trainLoss", "mnist-mlp", "--target", "loss=1")]
    [InlineData("none was given", "mnist-mlp", "--resume")]
    [InlineData("--warmup is 9 in a run of 9 steps; wanted fewer", "mnist-mlp", "--steps", "9", "--warmup", "9", "--schedule", "cosine")]
    [InlineData("--grid-steps is an option of --grid", "mnist-mlp", "--grid-steps", "10")]
    [InlineData("--other-parameters is 'adam'; wanted first-order or diagonal", "mnist-mlp", "--other-parameters", "adam")]
    [InlineData("--other-rate", "mnist-mlp", "--other-rate", "0")]
    [InlineData("sgd has no --damping", "mnist-mlp", "--optimizer", "sgd", "--damping", "0.1")]
    [InlineData("adamw has no --approx", "mnist-mlp", "--optimizer", "adamw", "--approx", "expand")]
    [InlineData("foof has no --curvature", "mnist-mlp", "--optimizer", "foof", "--curvature", "mc")]
    [InlineData("--curvature exact has no --samples", "mnist-mlp", "--curvature", "exact", "--samples", "2")]
    [InlineData("The number of updates before an inversion is 3", "mnist-mlp", "--inverse-interval", "2", "--updates-before-inversion", "3")]
    [InlineData("--optimizer cannot be used with --grid", "mnist-mlp", "--grid", "--optimizer", "sgd")]
    [InlineData("The number of grid steps is 10; wanted at least 40", "mnist-mlp", "--grid", "--grid-steps", "10")]
    [InlineData("Required argument 'WORKLOAD'", "--json")]
    public void Wrong_usage_is_told_in_one_line(string problem, params string[] arguments) =>
        _cli.RunFails(2, problem, ["train", .. arguments]);

    [Fact]
    public void Bad_data_is_told_in_one_line()
    {
        _cli.RunFails(1, "There is no data directory", "train", "mnist-mlp", "--data", "@absent");
        File.WriteAllText(_cli["file"], "x");
        foreach (string workload in (string[])["mnist-mlp", "cifar10-vgg11", "cora-gcn", "tox21-graphnet", "shakespeare-gpt"])
        {
            _cli.RunFails(1, "file is a file; wanted a data directory", "train", workload, "--data", "@file");
        }

        Directory.CreateDirectory(_cli["empty"]);
        _cli.RunFails(1, "looked for t10k-images-idx3-ubyte[.gz]", "train", "mnist-mlp", "--data", "@empty");
        File.WriteAllText(_cli["empty/t10k-images-idx3-ubyte"], "not images");
        File.WriteAllText(_cli["empty/t10k-labels-idx1-ubyte"], "not labels");
        _cli.RunFails(1, "starts with 0x6E6F7420; wanted 0x00000803", "train", "mnist-mlp", "--data", "@empty");
    }

    [Fact]
    public void Bad_weights_are_told_in_one_line()
    {
        string[] run = ["train", "mnist-mlp", "--hidden", "8", "--steps", "1"];
        _cli.RunFails(1, "absent does not exist.", [.. run, "--init", "@absent"]);
        _cli.RunFails(1, "is a directory; wanted a safetensors file.", [.. run, "--init", "@"]);
        File.WriteAllText(_cli["short"], "x");
        _cli.RunFails(1, "short has 1 bytes; wanted a safetensors file, which has at least 8.", [.. run, "--init", "@short"]);
        Assert.Equal(0, _cli.Run([.. run, "--export", "@w"]).ExitCode);
        byte[] whole = File.ReadAllBytes(_cli["w"]);
        foreach (int length in (int[])[100, 300, whole.Length - 1])
        {
            File.WriteAllBytes(_cli["w"], whole[..length]);
            _cli.RunFails(1, "is truncated: ", [.. run, "--init", "@w"]);
        }
    }

    [Fact]
    public void Unusable_output_is_told_before_training()
    {
        foreach (string option in (string[])["--plot", "--export"])
        {
            _cli.RunFails(1, "cannot be written: the directory", "train", "mnist-mlp", option, "@absent/file");
            _cli.RunFails(1, "is a directory; wanted the name of a file", "train", "mnist-mlp", option, "@");
        }

        _cli.RunFails(1, "is a directory; wanted the name of a file", "train", "mnist-mlp", "--hidden", "8", "--log", "@");
        _cli.RunFails(1, "create it first", "train", "mnist-mlp", "--hidden", "8", "--log", "@absent/log");
        File.WriteAllText(_cli["log"], "mine");
        _cli.RunFails(1, "log, which is a file; wanted a directory", "train", "mnist-mlp", "--hidden", "8", "--checkpoint", "@log");
        Directory.CreateDirectory(_cli["run"]);
        File.WriteAllText(_cli["run/checkpoint.kfac"], "mine too, and long enough to be looked into");
        _cli.RunFails(1, "holds the checkpoint of another run", "train", "mnist-mlp", "--hidden", "8", "--checkpoint", "@run", "--log", "@log");
        _cli.RunFails(1, "is not a checkpoint", "train", "mnist-mlp", "--hidden", "8", "--checkpoint", "@run", "--resume", "--log", "@log");
    }

    [Fact]
    public void A_grid_reports_every_optimizer_and_point()
    {
        CommandResult result = _cli.Run("train", "mnist-mlp", "--grid", "--hidden", "6", "--batch", "10", "--grid-steps", "4", "--evaluate-every", "2", "--json");
        Assert.Equal(0, result.ExitCode);
        JsonElement report = JsonDocument.Parse(result.Output).RootElement;
        Assert.Equal(["kfac", "sgd", "adamw"], report.GetProperty("optimizers").EnumerateArray().Select(static row => row.GetProperty("optimizer").GetString()));
        Assert.Equal(27, report.GetProperty("points").GetArrayLength());
        Assert.Equal(2, report.GetProperty("markStep").GetInt32());
        Assert.InRange(report.GetProperty("optimizers")[0].GetProperty("stepsToMark").GetInt32(), 0, 2);
        Assert.Contains("27/27  adamw", result.Error, StringComparison.Ordinal);
    }

    private static string MetricsOf(CommandResult result) =>
        JsonDocument.Parse(result.Output).RootElement.GetProperty("metrics").GetRawText();

    private JsonElement Train(params string[] arguments)
    {
        CommandResult result = _cli.Run(["train", .. arguments, "--json", "--threads", "2"]);
        Assert.Equal((0, 1), (result.ExitCode, result.Output.Count(static character => character == '\n')));
        return JsonDocument.Parse(result.Output).RootElement.Clone();
    }
}
