using System.Text.Json;
using KFac.Kernels;
using Xunit;

namespace KFac.Cli.Tests;

public sealed class BenchCommandTests : IDisposable
{
    private static readonly string[] _quick = ["--rounds", "1", "--round-seconds", "0"];

    private readonly CommandLine _kfac = new();

    public void Dispose() => _kfac.Dispose();

    [Fact]
    public void Limits_are_measured_and_nothing_else()
    {
        JsonElement json = _kfac.RunJson("bench", "limits");
        Assert.Equal(["device", "threads", "limits", "warnings", "results"], json.EnumerateObject().Select(static member => member.Name));
        Assert.Equal("cpu", json.GetProperty("device").GetString());
        Assert.Equal(2, json.GetProperty("threads").GetInt32());
        JsonElement limits = json.GetProperty("limits");
        Assert.Equal(
            ["gflops", "singleThreadGflops", "readGBps", "copyGBps", "writeGBps"], limits.EnumerateObject().Select(static member => member.Name));
        Assert.All(limits.EnumerateObject(), static limit => Assert.True(limit.Value.GetDouble() > 0));
        Assert.Empty(json.GetProperty("results").EnumerateArray());
    }

    [Fact]
    public void Factors_of_every_shape_are_timed_against_the_limit_that_they_meet()
    {
        JsonElement json = _kfac.RunJson(["bench", "factors", "--shape", "2,3,4", "--shape", "5,1,7", .. _quick]);
        JsonElement[] results = [.. json.GetProperty("results").EnumerateArray()];
        Assert.Equal(
            ["factor 2,3,4 expand", "factor 5,1,7 expand", "factor 2,3,4 reduce", "factor 5,1,7 reduce"], results.Select(Name));
        foreach (JsonElement result in results)
        {
            double seconds = result.GetProperty("medianSeconds").GetDouble();
            Assert.True(seconds > 0);
            Assert.Equal(JsonValueKind.Null, result.GetProperty("peer").ValueKind);
            bool expand = result.GetProperty("approximation").GetString() == "expand";
            Assert.Equal(expand ? JsonValueKind.Null : JsonValueKind.Number, result.GetProperty("gBps").ValueKind);
            Assert.Equal(expand ? JsonValueKind.Number : JsonValueKind.Null, result.GetProperty("gflops").ValueKind);
            double rate = result.GetProperty(expand ? "gflops" : "gBps").GetDouble();
            double limit = result.GetProperty("limit").GetDouble();
            AssertNear(json.GetProperty("limits").GetProperty(expand ? "gflops" : "readGBps").GetDouble(), limit);
            Assert.Equal(rate / limit, result.GetProperty("shareOfLimit").GetDouble(), 1e-12);
        }

        // One triangle: M·R·P·(P+1) operations. Reduce reads M·R·P floats and writes P².
        Assert.Equal(2 * 3 * 4 * 5 * 1e-9, results[0].GetProperty("gflops").GetDouble() * results[0].GetProperty("medianSeconds").GetDouble(), 1e-15);
        Assert.Equal((5 + 7) * 7 * 4 * 1e-9, results[3].GetProperty("gBps").GetDouble() * results[3].GetProperty("medianSeconds").GetDouble(), 1e-15);
    }

    /// <summary>Whoever took a wrong row, column or scale would be 2²⁴ of these units away.</summary>
    [Theory]
    [InlineData("gemm", "33,20,500")]
    [InlineData("gemm", "33,20,500", "--transpose-a")]
    [InlineData("gemm", "20,33,500", "--transpose-b", "--stack", "2")]
    [InlineData("factors", "5,60,35", "--approx", "expand")]
    public void Products_are_compared_with_float64(string command, string shape, params string[] options)
    {
        string[] arguments = ["bench", command, "--shape", shape, .. options, .. _quick];
        Assert.InRange(Error([.. arguments, "--errors"])!.Value, 0.01, 16);
        Assert.Null(Error(arguments));
    }

    [Fact]
    public void Reduced_factors_are_not_compared_with_float64() =>
        Assert.Null(Error(["bench", "factors", "--shape", "5,6,7", "--approx", "reduce", "--errors", .. _quick]));

    [Fact]
    public void Narrower_vectors_can_be_asked_for_and_are_recorded()
    {
        _kfac.RunJson(["bench", "gemm", "--shape", "2,3,4", "--vector-width", "128", "--out", _kfac["result.json"], .. _quick]);
        JsonElement environment = JsonDocument.Parse(File.ReadAllText(_kfac["result.json"])).RootElement.GetProperty("environment");
        Assert.Contains("Portable vectors", environment.GetProperty("device").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Refuses_a_vector_width_that_there_is_not() =>
        _kfac.RunFails(2, "--vector-width is '64'; wanted 128, 256, 512 or widest.", ["bench", "gemm", "--vector-width", "64"]);

    [Fact]
    public void One_approximation_can_be_chosen()
    {
        JsonElement json = _kfac.RunJson(["bench", "factors", "--shape", "2,3,4", "--approx", "reduce", .. _quick]);
        Assert.Equal(["factor 2,3,4 reduce"], json.GetProperty("results").EnumerateArray().Select(Name));
    }

    [Fact]
    public void Element_wise_operations_are_held_against_what_they_do_with_memory()
    {
        JsonElement json = _kfac.RunJson(["bench", "elementwise", "--shape", "3,5", .. _quick]);
        JsonElement[] results = [.. json.GetProperty("results").EnumerateArray()];
        Assert.Equal(results.Length, results.Select(Name).Distinct().Count());
        JsonElement limits = json.GetProperty("limits");
        foreach ((string operation, int operands, string limit) in new[] { ("sum", 1, "readGBps"), ("fill", 1, "writeGBps"), ("layer norm backward", 3, "copyGBps"), ("batch norm backward", 5, "copyGBps"), ("adam", 7, "copyGBps") })
        {
            JsonElement result = results.Single(each => each.GetProperty("operation").GetString() == operation);
            Assert.Equal(operands * 15 * 4 * 1e-9, Amount(result, "gBps"), 1e-15);
            double measured = result.GetProperty("limit").GetDouble();
            AssertNear(limits.GetProperty(limit).GetDouble(), measured);
            Assert.Equal(result.GetProperty("gBps").GetDouble() / measured, result.GetProperty("shareOfLimit").GetDouble(), 1e-12);
        }
    }

    [Theory]
    [InlineData("sum", 50)]
    [InlineData("fill", 40)]
    [InlineData("copy", 60)]
    [InlineData("average pool", 60)]
    [InlineData("average pool backward", 1.25 / (1 / 40.0))]
    [InlineData("batch norm", 3 / ((1 / 50.0) + (2 / 60.0)))]
    [InlineData("batch norm backward", 5 / ((2 / 50.0) + (3 / 60.0)))]
    public void A_pass_takes_as_long_as_its_reads_its_writes_or_both(string operation, double expected)
    {
        var limits = new MachineLimits(Gflops: 1, SingleThreadGflops: 1, ReadGBps: 50, CopyGBps: 60, WriteGBps: 40);
        Assert.Equal(expected, ElementwiseOperation.Find(operation)!.Value.MemoryLimit(limits), 1e-9);
    }

    [Theory]
    [InlineData(new[] { "sum" }, "--operation", "sum")]
    [InlineData(new[] { "sum", "add row" }, "--operation", "sum", "--operation", "add row")]
    public void Some_element_wise_operations_are_timed_in_the_order_given(string[] expected, params string[] options)
    {
        JsonElement json = _kfac.RunJson(["bench", "elementwise", "--shape", "3,5", .. options, .. _quick]);
        Assert.Equal(expected, json.GetProperty("results").EnumerateArray().Select(static each => each.GetProperty("operation").GetString()));
    }

    [Fact]
    public void Help_names_the_default_of_operations_in_a_word() =>
        Assert.Contains("[default: all]", _kfac.Run(["bench", "elementwise", "--help"]).Output, StringComparison.Ordinal);

    [Fact]
    public void Ragged_batches_are_reduced_only()
    {
        JsonElement json = _kfac.RunJson(["bench", "factors", "--segments", "3,1,2,4", .. _quick]);
        JsonElement result = Assert.Single(json.GetProperty("results").EnumerateArray());
        Assert.Equal("ragged 3,1,2,4 reduce", Name(result));

        // Graphs of 1, 2 and 1 nodes: (4 + P)·P floats.
        Assert.Equal((4 + 4) * 4 * 4 * 1e-9, result.GetProperty("gBps").GetDouble() * result.GetProperty("medianSeconds").GetDouble(), 1e-15);
        Assert.Empty(_kfac.RunJson(["bench", "factors", "--segments", "3,1,2,4", "--approx", "expand", .. _quick]).GetProperty("results").EnumerateArray());
    }

    [Fact]
    public void Convolutions_are_timed_by_the_products_that_they_need()
    {
        JsonElement json = _kfac.RunJson(["bench", "factors", "--conv", "2,3,4,5,1,1,0", "--conv", "1,1,3,3,3,2,1", .. _quick]);
        JsonElement[] results = [.. json.GetProperty("results").EnumerateArray()];
        Assert.Equal(
            ["conv 2,3,4,5,1,1,0 expand", "conv 1,1,3,3,3,2,1 expand", "conv 2,3,4,5,1,1,0 reduce", "conv 1,1,3,3,3,2,1 reduce"], results.Select(Name));

        // A kernel of one element pairs each pixel with itself. Outputs of the other meet pixels {0, 1} and {1, 2} of an
        // axis: 7 ordered pairs. B has 2·2 positions.
        Assert.Equal(((2 * 20 * 9) + (2 * 20 * 3 * 4)) * 1e-9, Amount(results[0], "gflops"), 1e-15);
        Assert.Equal(((7 * 7) + (4 * 2)) * 1e-9, Amount(results[1], "gflops"), 1e-15);
        Assert.Equal((2 * 3 * 20 * 2 + 9 + 9) * 4 * 1e-9, Amount(results[2], "gBps"), 1e-15);
    }

    [Fact]
    public void Passes_of_every_convolution_are_timed()
    {
        JsonElement json = _kfac.RunJson(["bench", "convolution", "--shape", "2,3,5,6,4,3,2,1", .. _quick]);
        JsonElement[] results = [.. json.GetProperty("results").EnumerateArray()];
        Assert.Equal(
            [.. ((string[])["forward", "input-gradient", "weight-gradient"]).Select(static pass => $"convolution {pass} 2,3,5,6,4,3,2,1 ")],
            results.Select(Name));
        Assert.Equal(
            2e-9 * 2 * 3 * 3 * 4 * 27, results[0].GetProperty("gflops").GetDouble() * results[0].GetProperty("medianSeconds").GetDouble(), 1e-15);
    }

    [Fact]
    public void Products_of_every_shape_are_timed()
    {
        JsonElement json = _kfac.RunJson(["bench", "gemm", "--shape", "2,3,4", "--shape", "5,1,7", "--transpose-b", "--stack", "3", .. _quick]);
        JsonElement[] results = [.. json.GetProperty("results").EnumerateArray()];
        Assert.Equal(["gemm 2,3,4 NT x3 ", "gemm 5,1,7 NT x3 "], results.Select(Name));
        Assert.Equal(
            2 * 2 * 3 * 4 * 3 * 1e-9, results[0].GetProperty("gflops").GetDouble() * results[0].GetProperty("medianSeconds").GetDouble(), 1e-15);
    }

    [Theory]
    [InlineData("cholesky")]
    [InlineData("eigh")]
    public void Inverses_of_every_size_are_timed(string kind)
    {
        JsonElement json = _kfac.RunJson(["bench", "inverse", "--size", "1", "--size", "5", "--kind", kind, .. _quick]);
        JsonElement[] results = [.. json.GetProperty("results").EnumerateArray()];
        Assert.Equal([$"{kind} 1 ", $"{kind} 5 "], results.Select(Name));
        JsonValueKind wanted = kind == "eigh" ? JsonValueKind.Null : JsonValueKind.Number;
        Assert.All(results, result => Assert.Equal(wanted, result.GetProperty("shareOfLimit").ValueKind));
    }

    [Fact]
    public void Every_form_of_preconditioning_is_timed_by_its_arithmetic()
    {
        JsonElement json = _kfac.RunJson(["bench", "precondition", "--size", "20", "--rows", "3", .. _quick]);
        JsonElement[] results = [.. json.GetProperty("results").EnumerateArray()];
        Assert.Equal(
            ["inverses dense 20 ", "inverses rows 20,3 ", "eigenbases dense 20 ", "eigenbases rows 20,3 ", "factor primal 20,3 ", "factor dual 20,3 "],
            results.Select(Name));
        const double Dense = 4 * 20 * 20 * 20;
        const double Rows = 6 * 3 * 20 * 20;
        const double Primal = (3 * 20 * 21) + (20 * 20 * 20) + (2 * 3 * 20 * 20);
        const double Dual = (20 * 3 * 4) + 27 + (4 * 9 * 20) + (2 * 27);
        double[] expected = [Dense, Rows, 2 * Dense, Rows + Dense, Primal, Dual];
        Assert.All(results.Zip(expected), static pair => Assert.Equal(pair.Second * 1e-9, Amount(pair.First, "gflops"), 1e-15));
        json = _kfac.RunJson(["bench", "precondition", "--size", "5", "--rows", "3", "--form", "dual", .. _quick]);
        Assert.Equal(["factor primal 5,3 ", "factor dual 5,3 "], json.GetProperty("results").EnumerateArray().Select(Name));
    }

    [Theory]
    [InlineData("cholesky")]
    [InlineData("eigh")]
    public void All_factors_of_a_network_are_timed_in_one_call(string kind)
    {
        JsonElement json = _kfac.RunJson(["bench", "inverse", "--set", "vit", "--kind", kind, .. _quick]);
        JsonElement result = Assert.Single(json.GetProperty("results").EnumerateArray());
        Assert.Equal($"{kind} vit ", Name(result));
        if (kind == "cholesky")
        {
            double[] widths = [49, 192, 193, 10, .. Enumerable.Repeat<double[]>([193, 576, 193, 192, 193, 768, 769, 192], 6).SelectMany(static x => x)];
            Assert.Equal(widths.Sum(static n => n * n * n) * 1e-9, Amount(result, "gflops"), 1e-9);
        }
    }

    [Theory]
    [InlineData("mnist-mlp")]
    [InlineData("mnist-autoencoder")]
    public void Steps_of_a_workload_are_timed(string workload)
    {
        JsonElement json = _kfac.RunJson(["bench", "step", workload, "--batch", "3", .. _quick]);
        Assert.Equal(
            [
                $"step sgd {workload},3 ",
                $"step kfac every 1 {workload},3 ",
                $"step kfac every 10 {workload},3 ",
                $"step kfac every 1 no average {workload},3 ",
                $"step kfac every 10 no average {workload},3 ",
            ],
            json.GetProperty("results").EnumerateArray().Select(Name));
        Assert.All(json.GetProperty("results").EnumerateArray(), static result => Assert.False(result.TryGetProperty("phases", out _)));
    }

    [Fact]
    public void Parts_of_a_step_add_up_to_it()
    {
        JsonElement json = _kfac.RunJson(["bench", "step", "mnist-mlp", "--batch", "3", "--phases", .. _quick]);
        JsonElement[] results = [.. json.GetProperty("results").EnumerateArray()];
        Assert.Equal(5, results.Length);
        Assert.All(results, static result =>
        {
            JsonElement[] phases = [.. result.GetProperty("phases").EnumerateArray()];
            Assert.Equal(
                ["forward", "backward", "curvaturePass", "factors", "inverses", "precondition", "update", "other"],
                phases.Select(static phase => phase.GetProperty("phase").GetString()));
            bool isKfac = result.GetProperty("operation").GetString() != "step sgd";
            double[] seconds = [.. phases.Select(static phase => phase.GetProperty("medianSeconds").GetDouble())];
            Assert.Equal([true, true, isKfac, isKfac, isKfac, isKfac, true], seconds[..7].Select(static time => time > 0));
            Assert.InRange(seconds.Sum() / result.GetProperty("medianSeconds").GetDouble(), 0.9, 1);
        });
        Assert.Contains("curvaturePass", _kfac.Run(["bench", "step", "mnist-mlp", "--batch", "3", "--phases", .. _quick]).Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Steps_of_layers_that_share_weights_are_timed_by_approximation()
    {
        JsonElement json = _kfac.RunJson(["bench", "step", "mnist-vit", "--batch", "2", .. _quick]);
        Assert.Equal(
            [
                "step sgd mnist-vit,2 ",
                "step kfac every 1 mnist-vit,2 reduce",
                "step kfac every 1 mnist-vit,2 expand",
                "step kfac every 10 mnist-vit,2 reduce",
                "step kfac every 10 mnist-vit,2 expand",
            ],
            json.GetProperty("results").EnumerateArray().Select(Name));
    }

    [Fact]
    public void People_get_a_table_without_empty_columns()
    {
        CommandResult result = _kfac.Run(["bench", "inverse", "--size", "5", "--kind", "eigh", "--threads", "1", .. _quick]);
        Assert.Equal(0, result.ExitCode);
        Assert.Equal(string.Empty, result.Error);
        Assert.Contains("eigh", result.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("peer", result.Output, StringComparison.Ordinal);
        Assert.DoesNotContain(" limit", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void The_table_of_factors_fits_into_eighty_columns()
    {
        CommandResult result = _kfac.Run(["bench", "factors", "--conv", "2,128,16,16,3,1,1", "--segments", "512,20,30,300", .. _quick]);
        string[] lines = result.Output.Split(Environment.NewLine);

        // A busy machine is told in a sentence, which a terminal wraps.
        Assert.All(
            lines.Where(static line => !line.StartsWith("warning:", StringComparison.Ordinal)), static line => Assert.True(line.Length <= 80, line));
        Assert.Contains(lines, static line => line.Contains("conv expand", StringComparison.Ordinal) && line.Contains("2,128,16,16,3,1,1", StringComparison.Ordinal) && line.TrimEnd().EndsWith('%'));
    }

    [Fact]
    public void The_file_holds_the_result_and_its_environment()
    {
        JsonElement json = _kfac.RunJson(["bench", "inverse", "--size", "3", "--out", "@result.json", .. _quick]);
        JsonElement file = JsonDocument.Parse(File.ReadAllText(_kfac["result.json"])).RootElement;
        JsonElement environment = file.GetProperty("environment");
        Assert.All(
            (string[])["processor", "device", "runtime", "operatingSystem", "date"],
            name => Assert.NotEmpty(environment.GetProperty(name).GetString()!));
        Assert.StartsWith("kfac bench inverse --size 3 --out ", environment.GetProperty("command").GetString(), StringComparison.Ordinal);
        foreach (JsonProperty member in json.EnumerateObject())
        {
            Assert.True(JsonElement.DeepEquals(member.Value, file.GetProperty(member.Name)), member.Name);
        }
    }

    [Theory]
    [InlineData("kfac bench: Required command was not provided.", "bench")]
    [InlineData("'table9' is neither", "bench", "table9")]
    [InlineData("kfac bench factors: --shape is '3,4'; wanted three whole numbers", "bench", "factors", "--shape", "3,4")]
    [InlineData("--shape is '1,0,2'; wanted", "bench", "factors", "--shape", "2,3,4", "--shape", "1,0,2")]
    [InlineData("--shape is '65536,65536,1'; wanted", "bench", "factors", "--shape", "65536,65536,1")]
    [InlineData("--shape is '1,1,-1'; wanted", "bench", "factors", "--shape", "1,1,-1")]
    [InlineData("--segments is '3,5,4,2'; wanted four whole numbers", "bench", "factors", "--segments", "3,5,4,2")]
    [InlineData("--segments is '3,0,4,2'; wanted four whole numbers", "bench", "factors", "--segments", "3,0,4,2")]
    [InlineData("--conv is '1,2,3'; wanted seven whole numbers", "bench", "factors", "--conv", "1,2,3")]
    [InlineData("--conv is '1,1,2,2,3,1,0'; wanted", "bench", "factors", "--conv", "1,1,2,2,3,1,0")]
    [InlineData("--conv is '1,1,9,9,3,0,0'; wanted", "bench", "factors", "--conv", "1,1,9,9,3,0,0")]
    [InlineData("--conv is '65536,65536,1,1,1,1,0'; wanted", "bench", "factors", "--conv", "65536,65536,1,1,1,1,0")]
    [InlineData("--approx is 'mean'; wanted expand, reduce or both", "bench", "factors", "--approx", "mean")]
    [InlineData("--shape is '1,1,9,9,1,3,0,0'; wanted eight whole numbers", "bench", "convolution", "--shape", "1,1,9,9,1,3,0,0")]
    [InlineData("--shape is '1,1,2,2,1,3,1,0'; wanted eight whole numbers", "bench", "convolution", "--shape", "1,1,2,2,1,3,1,0")]
    [InlineData("kfac bench gemm: --shape is '3,4'; wanted three whole numbers", "bench", "gemm", "--shape", "3,4")]
    [InlineData("--transpose-b and --stack say how a --shape is multiplied", "bench", "gemm", "--stack", "2")]
    [InlineData("more than 2147483647 elements", "bench", "gemm", "--shape", "32768,32768,1", "--stack", "2")]
    [InlineData("--shape is '3'; wanted two whole numbers", "bench", "elementwise", "--shape", "3")]
    [InlineData("--operation is 'cube'; wanted one of fill,", "bench", "elementwise", "--operation", "cube")]
    [InlineData("--size is '0'; wanted a whole number from 1", "bench", "inverse", "--size", "0")]
    [InlineData("--set is 'lenet'; wanted wrn16-4", "bench", "inverse", "--set", "lenet")]
    [InlineData("--set and --size exclude each other", "bench", "inverse", "--set", "vit", "--size", "3")]
    [InlineData("--kind is 'qr'; wanted cholesky or eigh", "bench", "inverse", "--kind", "qr")]
    [InlineData("--rounds is '0'; wanted", "bench", "inverse", "--rounds", "0")]
    [InlineData("--round-seconds is 'NaN'; wanted", "bench", "inverse", "--round-seconds", "NaN")]
    [InlineData("kfac bench step: There is no workload 'mnist'", "bench", "step", "mnist")]
    [InlineData("kfac bench step: Required argument 'WORKLOAD' missing", "bench", "step")]
    [InlineData("--batch is '8001'; wanted", "bench", "step", "mnist-mlp", "--batch", "8001")]
    [InlineData("'--against' is neither", "bench", "limits", "--against", "python3")]
    public void Wrong_usage_is_refused(string problem, params string[] arguments) => _kfac.RunFails(2, problem, arguments);

    [Fact]
    public void A_file_that_cannot_be_written_is_refused() =>
        _kfac.RunFails(1, "does not exist", "bench", "limits", "--out", "@missing/result.json");

    [Fact]
    public void Cancellation_ends_the_command()
    {
        CommandResult result = _kfac.Run(new CancellationToken(canceled: true), ["bench", "factors", "--shape", "2,3,4", .. _quick]);
        Assert.Equal((1, string.Empty, $"kfac bench factors: cancelled.{Environment.NewLine}"), (result.ExitCode, result.Output, result.Error));
    }

    [Fact]
    public void The_median_is_the_middle()
    {
        Assert.Equal(2, BenchRounds.Median([3, 1, 2]));
        Assert.Equal(2.5, BenchRounds.Median([4, 1, 3, 2]));
        Assert.Equal(7, BenchRounds.Median([7]));
    }

    private static double Amount(JsonElement result, string rate) =>
        result.GetProperty(rate).GetDouble() * result.GetProperty("medianSeconds").GetDouble();

    private static string Name(JsonElement result) =>
        $"{result.GetProperty("operation").GetString()} {result.GetProperty("shape").GetString()} {result.GetProperty("approximation").GetString()}";

    private double? Error(string[] arguments)
    {
        JsonElement error = _kfac.RunJson(arguments).GetProperty("results")[0].GetProperty("error");
        return error.ValueKind == JsonValueKind.Null ? null : error.GetDouble();
    }

    [Theory]
    [InlineData("sum", 3)]
    [InlineData("copy", 4)]
    [InlineData("fill", 5)]
    public void Memory_is_held_against_reading_copying_or_writing(string operation, double limit)
    {
        using Device device = Device.Open("cpu");
        using var each = new ElementwiseCase(device, ElementwiseOperation.Find(operation)!.Value, new ElementwiseShape(2, 3), seed: 0);
        Assert.Equal(limit, each.MemoryLimit(new MachineLimits(1, 2, 3, 4, 5)));
    }

    /// <summary>A limit is measured again for each case, on a machine that others may use.</summary>
    private static void AssertNear(double first, double again) => Assert.InRange(again, first / 20, first * 20);
}
