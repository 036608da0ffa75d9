using System.Xml.Linq;
using Xunit;

namespace KFac.Engine.Tests;

public class MatrixFigureTests
{
    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    [Fact]
    public void Cells_are_drawn_by_magnitude_and_zeros_stay_black()
    {
        XElement svg = Draw(HostMatrix.From(2, 2, [0.0, -4.0, 2.0, 2.0]));
        XElement[] paths = [.. svg.Descendants(Svg + "path")];
        Assert.Equal(["#b4b4b4", "#ffffff"], paths.Select(path => (string?)path.Attribute("fill")));
        Assert.Equal("M0 1h2v1H0z", (string?)paths[0].Attribute("d"));
        Assert.Equal("M1 0h1v1H1z", (string?)paths[1].Attribute("d"));
    }

    [Fact]
    public void Panels_may_share_a_scale()
    {
        XElement svg = Draw(HostMatrix.From(1, 2, [1.0, 2.0]), whiteAt: 4);
        Assert.Equal(["#808080", "#b4b4b4"], svg.Descendants(Svg + "path").Select(path => (string?)path.Attribute("fill")));
    }

    [Fact]
    public void A_zero_matrix_is_black() => Assert.Empty(Draw(new HostMatrix(3, 3)).Descendants(Svg + "path"));

    [Fact]
    public void Text_is_escaped() =>
        Assert.Contains(Draw(new HostMatrix(1, 1), title: "|A − B| < ε & more").Descendants(Svg + "text"), text => text.Value == "|A − B| < ε & more");

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void Numbers_that_are_not_finite_are_refused(double value)
    {
        ArgumentException error = Assert.Throws<ArgumentException>(() => Draw(HostMatrix.From(1, 1, [value])));
        Assert.Contains("'title'", error.Message, StringComparison.Ordinal);
    }

    private static XElement Draw(HostMatrix matrix, double? whiteAt = null, string title = "title")
    {
        var panel = new MatrixPanel(title, matrix, 20, 20) { WhiteAt = whiteAt, Captions = ["caption"] };
        var figure = new MatrixFigure { Title = "figure", RowLabels = ["row"], Columns = [[panel]] };
        return XDocument.Parse(figure.ToSvg()).Root!;
    }
}
