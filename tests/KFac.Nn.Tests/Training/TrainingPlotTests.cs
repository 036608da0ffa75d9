using System.Xml.Linq;
using Xunit;

namespace KFac.Nn.Tests;

public sealed class TrainingPlotTests
{
    private static readonly XNamespace _svg = "http://www.w3.org/2000/svg";

    [Fact]
    public void Draws_a_line_per_metric_inside_the_panels()
    {
        XElement svg = Render(PerceptronWorkload.MnistMlp, [Point(0, 2.3, 0.1), Point(100, 0.5, 0.85), Point(200, 0.1, 0.97)]);
        List<XElement> lines = [.. svg.Descendants(_svg + "polyline")];
        Assert.Equal(4, lines.Count);
        foreach (XElement line in lines)
        {
            string[] points = line.Attribute("points")!.Value.Split(' ');
            Assert.Equal(3, points.Length);
            Assert.All(points, static point => AssertInside(point));
        }

        Assert.Equal(PerceptronWorkload.MnistMlp.MetricNames.Order(), Texts(svg).Where(PerceptronWorkload.MnistMlp.MetricNames.Contains).Order());
        Assert.Contains("a < b & \"c\"", Texts(svg));
        Assert.Contains("200", Texts(svg));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void Draws_runs_that_are_too_short_for_a_line(int points)
    {
        XElement svg = Render(PerceptronWorkload.MnistMlp, [.. Enumerable.Range(0, points).Select(static step => Point(step, 1, 0.5))]);
        Assert.DoesNotContain("NaN", svg.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Labels_what_an_autoencoder_measures()
    {
        var metrics = new Metrics(PerceptronWorkload.MnistAutoencoder.MetricNames, [100, 20, 110, 22]);
        XElement svg = Render(PerceptronWorkload.MnistAutoencoder, [new Evaluation(0, 0, metrics), new Evaluation(5, 1, metrics)]);
        Assert.Contains("squared error", Texts(svg));
        Assert.Contains("validationSquaredError", Texts(svg));
    }

    [Fact]
    public void Replaces_a_file_as_a_whole()
    {
        using var directory = new TemporaryDirectory();
        string path = directory.File("plot.svg");
        File.WriteAllText(path, "old");
        TrainingPlot.Write(path, "title", PerceptronWorkload.MnistMlp, [Point(0, 1, 0.5)]);
        Assert.StartsWith("<svg", File.ReadAllText(path), StringComparison.Ordinal);
        Assert.Single(Directory.GetFiles(directory.Path));
    }

    private static Evaluation Point(long step, double loss, double accuracy) =>
        new(step, step, new Metrics(PerceptronWorkload.MnistMlp.MetricNames, [loss, accuracy, loss * 1.1, accuracy * 0.9]));

    private static XElement Render(Workload workload, IReadOnlyList<Evaluation> evaluations) =>
        XElement.Parse(TrainingPlot.Render("a < b & \"c\"", workload, evaluations));

    private static List<string> Texts(XElement svg) => [.. svg.Descendants(_svg + "text").Select(static text => text.Value)];

    private static void AssertInside(string point)
    {
        double[] xy = [.. point.Split(',').Select(double.Parse)];
        Assert.InRange(xy[0], 72, 696);
        Assert.True(xy[1] is (>= 44 and <= 252) or (>= 344 and <= 552), point);
    }
}
