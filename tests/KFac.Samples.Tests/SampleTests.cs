using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;
using Xunit;

namespace KFac.Samples.Tests;

/// <summary>The samples run, and do what they say that they do.</summary>
public sealed partial class SampleTests
{
    [Fact]
    public void A_network_is_trained_and_its_weights_predict_after_a_file()
    {
        string[] lines = Run("TrainNetwork");
        double[] losses = [.. Numbers(lines[..^1])];
        Assert.Equal(7, losses.Length);
        Assert.InRange(losses[^1], 0, losses[0] / 1000);
        Assert.InRange(Numbers(lines[^1..]).Single(), 0, 0.2);
    }

    [Fact]
    public void Factors_and_directions_come_from_arrays()
    {
        string[] lines = Run("PreconditionGradient");
        Assert.Equal(3, lines.Length);
        Assert.StartsWith("K-FAC-Expand: ", lines[0], StringComparison.Ordinal);
        Assert.StartsWith("K-FAC-Reduce: ", lines[1], StringComparison.Ordinal);
        Assert.All(Numbers(lines[..2]), static product => Assert.True(product > 0));
        Assert.StartsWith("1536 numbers of a direction", lines[2], StringComparison.Ordinal);
    }

    [Fact]
    public void An_own_layer_trains_as_the_layers_of_the_library_do()
    {
        double[] losses = [.. Scientific().Matches(Run("OwnLayer").Single()).Select(static match => Number(match.Value))];
        Assert.Equal(2, losses.Length);
        Assert.InRange(losses[0], 0, 0.5);
        Assert.Equal(losses[1], losses[0], 1e-3 * losses[1]);
    }

    [Fact]
    public void An_own_network_is_trained_without_the_library_s_layers()
    {
        double[] losses = [.. Numbers(Run("OwnNetwork"))];
        Assert.Equal(5, losses.Length);
        Assert.InRange(losses[^1], 0, losses[0] / 100);
    }

    /// <summary>What a sample prints, line by line.</summary>
    private static string[] Run(string sample)
    {
        MethodInfo main = Assembly.Load(sample).EntryPoint!;
        TextWriter before = Console.Out;
        using var output = new StringWriter(CultureInfo.InvariantCulture);
        Console.SetOut(output);
        try
        {
            main.Invoke(null, [Array.Empty<string>()]);
        }
        finally
        {
            Console.SetOut(before);
        }

        return output.ToString().Split(Environment.NewLine, StringSplitOptions.RemoveEmptyEntries);
    }

    /// <summary>The last number of every line.</summary>
    private static IEnumerable<double> Numbers(IEnumerable<string> lines) => lines.Select(static line => Number(line.Split(' ')[^1]));

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);

    [GeneratedRegex("[0-9.]+E[-+][0-9]+")]
    private static partial Regex Scientific();
}
